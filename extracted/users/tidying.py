"""Throwing away what is over: codes of long ago, limits that limit nobody any more, and what was told long ago."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, text

from extracted.platform.database import Database
from extracted.users.storage import code, outbox

# Long enough to compare with the carrier's own list of messages; phone numbers are not kept for nothing.
CODES_KEPT = timedelta(days=7)
# Published within seconds; kept for as long as somebody may want to look.
OUTBOX_KEPT = timedelta(days=7)
_LIMITS = text("delete from rate_limit where free_at < clock_timestamp()")


def tidy(database: Database) -> None:
    with database.write() as connection:
        connection.execute(delete(code).where(code.c.created_at < func.now() - CODES_KEPT))
        connection.execute(_LIMITS)
        connection.execute(delete(outbox).where(outbox.c.created_at < func.now() - OUTBOX_KEPT))
