"""What somebody was told: pages of it, newest first, and what of it they have not read. Nothing here commits."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, tuple_, update

from legacy_monolith import cursors
from legacy_monolith.database import Record, db
from legacy_monolith.errors import NotFound
from legacy_monolith.notifications.models import NotificationMessage
from legacy_monolith.web import moment

SORT = "messages"

messages = NotificationMessage.__table__.c
SHOWN = (
    messages.id,
    messages.kind,
    messages.channel,
    messages.subject,
    messages.body,
    messages.state,
    messages.created_at,
    messages.sent_at,
    messages.read_at,
)


def page(user_id: int, limit: int, cursor: str | None) -> dict[str, Any]:
    statement = select(*SHOWN).where(messages.user_id == user_id)
    if cursor is not None:
        there = tuple_(*(literal(part) for part in _position(cursor)))
        statement = statement.where(tuple_(messages.created_at, messages.id) < there)
    ordered = statement.order_by(messages.created_at.desc(), messages.id.desc())
    # One more than asked for tells whether there is a next page.
    rows = db.session.execute(ordered.limit(limit + 1)).all()
    items = rows[:limit]
    following = None
    if len(rows) > limit:
        following = cursors.encode_unique(SORT, moment(items[-1].created_at), items[-1].id)
    return {"items": [shown(row) for row in items], "next_cursor": following}


def unread(user_id: int) -> int:
    statement = select(func.count()).where(messages.user_id == user_id, messages.read_at.is_(None))
    return int(db.session.execute(statement).scalar_one())


def read(user_id: int, message_id: UUID) -> Record:
    """Once read, a message stays read since then."""
    statement = (
        update(NotificationMessage)
        .where(messages.id == message_id, messages.user_id == user_id)
        .values(read_at=func.coalesce(messages.read_at, func.now()))
        .returning(*SHOWN)
    )
    row = db.session.execute(statement).first()
    if row is None:
        raise NotFound(f"There is no message {message_id}.")
    return row


def read_all(user_id: int) -> None:
    unread_ones = (messages.user_id == user_id, messages.read_at.is_(None))
    db.session.execute(update(NotificationMessage).where(*unread_ones).values(read_at=func.now()))


def shown(row: Record) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "channel": row.channel,
        "subject": row.subject,
        "text": row.body,
        "state": row.state,
        "is_read": row.read_at is not None,
        "created_at": moment(row.created_at),
        "sent_at": moment(row.sent_at) if row.sent_at else None,
    }


def _position(cursor: str) -> tuple[datetime, UUID]:
    value, message_id = cursors.decode_unique(cursor, SORT)
    try:
        parsed = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        raise cursors.invalid() from None
    if value != moment(parsed):
        raise cursors.invalid()
    return parsed, message_id
