"""What people want to hear of, and how: a column for each choice. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from legacy_monolith.database import db
from legacy_monolith.errors import TemporarilyUnavailable
from legacy_monolith.notifications.models import NotificationPreferences

# Who never chose. The order is that in which clients see them.
DEFAULTS: Mapping[tuple[str, str], bool] = {
    ("email", "orders"): True,
    ("email", "sales"): True,
    ("email", "account"): True,
    ("sms", "orders"): False,
    ("sms", "sales"): False,
}
_COLUMNS = NotificationPreferences.__table__.c


def of(user_id: int) -> dict[tuple[str, str], bool]:
    columns = [_COLUMNS[_column(*choice)] for choice in DEFAULTS]
    row = db.session.execute(select(*columns).where(_COLUMNS.user_id == user_id)).first()
    return dict(zip(DEFAULTS, row, strict=True)) if row else dict(DEFAULTS)


def change(user_id: int, choices: Mapping[tuple[str, str], bool]) -> None:
    """These; all others stay as they are."""
    values = {_column(*choice): value for choice, value in choices.items()}
    statement = insert(NotificationPreferences).values(user_id=user_id, **values)
    changed = {**values, "updated_at": func.now()}
    try:
        db.session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=changed))
    except IntegrityError:
        # Who asks is known to the owner of users, and their row is on its way here.
        raise TemporarilyUnavailable("Your account is not known here yet.") from None


def shown(choices: Mapping[tuple[str, str], bool]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for (channel, topic), value in choices.items():
        document.setdefault(channel, {})[topic] = value
    return document


def _column(channel: str, topic: str) -> str:
    return f"{channel}_{topic}"
