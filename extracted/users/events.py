"""What users tells others, each in the transaction of what happened."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import Connection

from extracted.platform import outbox as outboxes
from extracted.platform.event import Event
from extracted.users.storage import outbox

# The same fact has the same id, whichever side tells it.
_NAMESPACE = uuid5(NAMESPACE_URL, "shop:events")


def signed_up(connection: Connection, account_id: int) -> None:
    _tell(connection, "user.signed_up", account_id)


def password_changed(connection: Connection, account_id: int, session_epoch: int) -> None:
    _tell(connection, "user.password_changed", account_id, session_epoch)


def email_changed(connection: Connection, account_id: int, old_email: str) -> None:
    """Nothing counts these changes: their moment tells them apart."""
    _tell(connection, "user.email_changed", account_id, datetime.now(UTC).isoformat(), old_email=old_email)


def phone_verified(connection: Connection, account_id: int, code_id: UUID) -> None:
    _tell(connection, "user.phone_verified", account_id, code_id)


def logged_out_everywhere(connection: Connection, account_id: int, session_epoch: int) -> None:
    _tell(connection, "user.logged_out_everywhere", account_id, session_epoch)


def _tell(connection: Connection, kind: str, account_id: int, *more: object, **facts: Any) -> None:
    """`more` tells apart what may happen to one account several times."""
    name = ":".join(["users", str(account_id), kind, *map(str, more)])
    outboxes.add(connection, outbox, Event(uuid5(_NAMESPACE, name), kind, {"user_id": account_id, **facts}))
