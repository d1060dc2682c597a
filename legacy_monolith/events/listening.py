"""One domain's inbox, listened to by the monolith: what its handler raises, and whether it owns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from legacy_monolith import spans
from legacy_monolith.database import FENCED, db, sqlstate
from legacy_monolith.event import Event
from legacy_monolith.events import topology
from legacy_monolith.events.consuming import Inbox, NotNow, consume
from legacy_monolith.ownership import is_here

Handler = Callable[[Event], None]
"""Acts on an event in one transaction, which it commits and which begins with the inbox's row."""

# Connection, deadlock, no room, shutting down: the same message may succeed as it is.
_PASSING = ("08", "40", "53", "57P")


def listen(
    app: Flask,
    url: str,
    domain: str,
    sources: Sequence[str],
    handler: Handler,
    stop: threading.Event,
    retry_seconds: float = topology.RETRY_SECONDS,
) -> None:
    """Until told to stop."""

    def handle(event: Event) -> None:
        with app.app_context(), spans.step(f"process {event.type}", "CONSUMER", event.facts()):
            try:
                _unless_away(lambda: handler(event))
            finally:
                db.session.rollback()

    def is_owner() -> bool:
        with app.app_context():
            return bool(_unless_away(lambda: is_here(domain)))

    consume(url, Inbox(domain, sources, is_owner, handle, retry_seconds), stop)


def _unless_away(act: Callable[[], Any]) -> Any:
    """NotNow instead of a fence's refusal and of errors of a database that is away."""
    try:
        return act()
    except DBAPIError as error:
        code = sqlstate(error) or ""
        if code == FENCED:
            raise NotNow("the domain is not owned here") from error
        if error.connection_invalidated or not code or code.startswith(_PASSING):
            raise NotNow("the database does not answer") from error
        raise
    except PoolExhausted as error:
        raise NotNow("no database connection was free") from error
