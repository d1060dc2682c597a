"""What somebody was told: pages of it, newest first, and what of it they have not read.

A cursor is `["messages", moment, id]`, as on the other side of the domain: both read each other's.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, tuple_, update

from extracted.notifications.errors import MessageNotFound
from extracted.notifications.storage import message
from extracted.platform.database import Database
from extracted.platform.validation import PATH_KEY

SORT = "messages"


@dataclass(frozen=True, slots=True)
class Told:
    id: UUID
    kind: str
    channel: str
    title: str
    body: str
    status: str
    created_at: datetime
    sent_at: datetime | None
    read_at: datetime | None


@dataclass(frozen=True)
class Page:
    items: list[Told]
    next_cursor: str | None


Position = tuple[datetime, UUID]

_SHOWN = (
    message.c.id,
    message.c.kind,
    message.c.channel,
    message.c.title,
    message.c.body,
    message.c.status,
    message.c.created_at,
    message.c.sent_at,
    message.c.read_at,
)


class History:
    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, user_id: int, limit: int, after: Position | None) -> Page:
        statement = select(*_SHOWN).where(message.c.receiver_id == user_id)
        if after is not None:
            statement = statement.where(tuple_(message.c.created_at, message.c.id) < tuple_(*after))
        statement = statement.order_by(message.c.created_at.desc(), message.c.id.desc())
        # One more than asked for tells whether there is a next page.
        with self._database.read() as connection:
            found = [_told(row) for row in connection.execute(statement.limit(limit + 1))]
        items = found[:limit]
        return Page(items, cursor_behind(items[-1]) if len(found) > limit else None)

    def unread(self, user_id: int) -> int:
        statement = select(func.count()).where(message.c.receiver_id == user_id, message.c.read_at.is_(None))
        with self._database.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def read(self, user_id: int, message_id: UUID) -> Told:
        """Once read, a message stays read since then."""
        statement = (
            update(message)
            .where(message.c.id == message_id, message.c.receiver_id == user_id)
            .values(read_at=func.coalesce(message.c.read_at, func.now()))
            .returning(*_SHOWN)
        )
        with self._database.write() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            raise MessageNotFound(message_id)
        return _told(row)

    def read_all(self, user_id: int) -> None:
        unread = (message.c.receiver_id == user_id, message.c.read_at.is_(None))
        with self._database.write() as connection:
            connection.execute(update(message).where(*unread).values(read_at=func.now()))


def moment(at: datetime) -> str:
    """RFC 3339 in UTC with all six digits."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def cursor_behind(told: Told) -> str:
    content = json.dumps([SORT, moment(told.created_at), str(told.id)], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()


def position(cursor: str) -> Position | None:
    """None: it is no cursor of this list."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        sort, value, message_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        at = datetime.fromisoformat(value)
        if sort != SORT or moment(at) != value or not re.fullmatch(PATH_KEY, message_id):
            return None
    except (ValueError, TypeError, RecursionError):
        return None
    return at, UUID(message_id)


def _told(row: Sequence[Any]) -> Told:
    return Told(*row)
