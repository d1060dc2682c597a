"""Background work of a domain: `@owner_timer(seconds)` on a method, run only while this side owns the domain.

In each process one run ends before the next begins. Other processes of the service have timers of their own, so
what a run takes up it claims with `for update skip locked`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import eventlet
from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import Entrypoint
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from extracted.platform.dependencies import database_of
from extracted.platform.fence import fence_of
from extracted.platform.ownership import owns
from extracted.platform.workers import outcome_of, run_in_worker

log = logging.getLogger(__name__)

STOP_S = 3.0


class OwnerTimer(Entrypoint):  # type: ignore[misc,unused-ignore]
    def __init__(self, seconds: float, **options: Any) -> None:
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread: Any = None
        super().__init__(**options)

    def start(self) -> None:
        self._thread = self.container.spawn_managed_thread(self._run)

    def stop(self) -> None:
        """A run under way is the container's to wait for."""
        self._stop.set()
        with eventlet.Timeout(STOP_S, False):
            self._thread.wait()
            return
        self._thread.kill()

    def kill(self) -> None:
        self._thread.kill()

    def _run(self) -> None:
        domain, database = self.container.service_name, database_of(self.container)
        while not self._stop.wait(self._seconds):
            try:
                if owns(database, domain):
                    run_in_worker(self)
            except ContainerBeingKilled:
                return
            except Exception as error:  # noqa: BLE001  The next run may do better; this one is told.
                self._tell(error)

    def _tell(self, error: Exception) -> None:
        facts = {"timer": self.method_name}
        if isinstance(error, DBAPIError) and (fence := fence_of(error)):
            log.info("the domain moved during a run", extra={**facts, "domain": fence.domain})
        elif isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and error.connection_invalidated):
            log.warning("the database does not answer", extra=facts)
        else:
            log.error("a run failed", extra=facts, exc_info=error)


def owner_timer(seconds: float) -> Callable[[Callable[..., None]], Callable[..., Any]]:
    """`seconds`: from the end of a run to the beginning of the next one, and from the start to the first."""

    def decorate(function: Callable[..., None]) -> Callable[..., Any]:
        entrypoint: Callable[..., Any] = OwnerTimer.decorator(seconds)(outcome_of(function))
        return entrypoint

    return decorate
