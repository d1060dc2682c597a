"""The entrypoint of events: `@event_inbox(sources=("users", "payments"))` on a method that takes an Event.

The method acts in one transaction that begins with `inbox.is_new`; whatever it raises is another attempt, later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

import eventlet
from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import Entrypoint
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from extracted.platform import spans, topology
from extracted.platform.consuming import Inbox, NotNow, consume
from extracted.platform.dependencies import database_of
from extracted.platform.event import Event
from extracted.platform.fence import fence_of
from extracted.platform.ownership import owns
from extracted.platform.settings import setting
from extracted.platform.workers import outcome_of, run_in_worker

log = logging.getLogger(__name__)

STOP_S = 3.0
PAUSE_S = 2.0
# Connection, deadlock, no room, shutting down: the same message may succeed as it is.
_PASSING = ("08", "40", "53", "57P")


class EventInbox(Entrypoint):  # type: ignore[misc,unused-ignore]
    """Listens for as long as the service's side owns its domain, which has the service's name."""

    def __init__(self, sources: Sequence[str], retry_seconds: float = topology.RETRY_SECONDS, **options: Any) -> None:
        self._sources = sources
        self._retry_seconds = retry_seconds
        self._stop = threading.Event()
        self._thread: Any = None
        super().__init__(**options)

    def setup(self) -> None:
        self._url = setting("AMQP_URL")

    def start(self) -> None:
        domain, database = self.container.service_name, database_of(self.container)
        inbox = Inbox(
            domain,
            self._sources,
            is_owner=lambda: bool(_unless_away(partial(owns, database, domain))),
            handle=lambda event: _unless_away(partial(self._handle, event)),
            retry_seconds=self._retry_seconds,
        )
        self._thread = self.container.spawn_managed_thread(partial(self._listen, inbox))

    def _listen(self, inbox: Inbox) -> None:
        """An error that nobody has thought of must not end the service: it also answers HTTP."""
        while not self._stop.is_set():
            try:
                consume(self._url, inbox, self._stop)
            except Exception:
                log.exception("the consumer failed")
                self._stop.wait(PAUSE_S)

    def _handle(self, event: Event) -> None:
        try:
            run_in_worker(self, event, traceparent=event.traceparent)
        except ContainerBeingKilled:
            raise NotNow("the service is stopping") from None

    def stop(self) -> None:
        self._stop.set()
        with eventlet.Timeout(STOP_S, False):
            self._thread.wait()
            return
        log.warning("the consumer did not end in time")
        self._thread.kill()

    def kill(self) -> None:
        self._thread.kill()


def _unless_away(act: Callable[[], Any]) -> Any:
    """NotNow instead of a fence's refusal and of errors of a database that is away."""
    try:
        return act()
    except DBAPIError as error:
        if fence := fence_of(error):
            raise NotNow(f"the domain {fence.domain} is not owned here") from error
        code = getattr(error.orig, "pgcode", None) or ""
        if error.connection_invalidated or not code or code.startswith(_PASSING):
            raise NotNow("the database does not answer") from error
        raise
    except PoolTimeout as error:
        raise NotNow("no database connection was free") from error


def event_inbox(
    sources: Sequence[str], retry_seconds: float = topology.RETRY_SECONDS
) -> Callable[[Callable[..., None]], Callable[..., Any]]:
    """`sources`: the domains whose events this service wants to hear of."""

    def decorate(function: Callable[..., None]) -> Callable[..., Any]:
        @wraps(function)
        def hear(service: Any, event: Event) -> None:
            with spans.step(f"process {event.type}", "CONSUMER", event.facts()):
                function(service, event)

        entrypoint: Callable[..., Any] = EventInbox.decorator(sources, retry_seconds)(outcome_of(hear))
        return entrypoint

    return decorate
