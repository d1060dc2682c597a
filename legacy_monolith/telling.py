"""The seam between who has something to tell (users, payments) and notifications.

Where notifications is owned here, its messages are rows of the caller's transaction; elsewhere, the event is a row in
the caller's outbox, from where it is published. Always exactly one of both, and never anything without a commit.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from legacy_monolith import ownership
from legacy_monolith.database import FENCED, db, sqlstate
from legacy_monolith.event import Event
from legacy_monolith.notifications import inbox
from legacy_monolith.outboxes import OUTBOXES

log = logging.getLogger(__name__)

# Published within seconds; kept for as long as somebody may want to look.
KEPT = timedelta(days=7)


def tell(domain: str, event: Event) -> None:
    """In the caller's transaction, which the caller commits."""
    log.info("telling", extra={"event": str(event.id), "type": event.type})
    if not (ownership.is_here("notifications") and _was_taken_here(event)):
        row = {"id": event.id, "type": event.type, "payload": event.document()}
        # The same fact told again is told once.
        db.session.execute(insert(OUTBOXES[domain]).values(row).on_conflict_do_nothing())


def forget(domain: str) -> None:
    """What was told long ago."""
    table = OUTBOXES[domain]
    db.session.execute(delete(table).where(table.c.created_at < func.now() - KEPT))


def _was_taken_here(event: Event) -> bool:
    """False: notifications moved away since it was asked where it is, and nothing of the attempt stays."""
    try:
        with db.session.begin_nested():
            inbox.take(event)
    except DBAPIError as error:
        if sqlstate(error) != FENCED:
            raise
        return False
    return True
