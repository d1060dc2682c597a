"""Watches one slot of ours, whoever reads from it and whether anybody does: the monolith's disk comes first (I10)."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass

import psycopg

from cdc import control, servers
from cdc.capture import watch
from cdc.capture.budget import Budget, Verdict, judge
from cdc.capture.watch import Look
from cdc.control import Phase
from cdc.errors import CdcError
from migration_plan.errors import JournalUnreachable
from migration_plan.journal.journal import Journal

_log = logging.getLogger("fig.slots")


@dataclass(frozen=True)
class Watched:
    """A stream or a publisher, by the slot on its source."""

    name: str
    domain: str
    direction: str
    source_dsn: str
    slot: str
    budget: Budget


class SlotWatch(threading.Thread):
    """A thread of its own for each slot, on a connection that stays: no other server can keep it from looking.

    `halt` is set for as long as whatever reads from the slot has to stand still.
    """

    def __init__(self, watched: Watched, journal: Journal, stop: threading.Event) -> None:
        super().__init__(name=f"watch {watched.name}", daemon=True)
        self.watched = watched
        self.halt = threading.Event()
        self.seen: Look | None = None
        self._journal, self._stop_event = journal, stop
        self._looked = threading.Event()
        self._calm_since: float | None = None
        self._complained = ""

    def run(self) -> None:
        while not self._stop_event.is_set():
            try:
                with servers.connect(
                    self.watched.source_dsn, "source", f"fig-watch {self.watched.name}"
                ) as connection:  # fmt: skip
                    while not self._stop_event.is_set():
                        self._look(connection)
                        self._stop_event.wait(watch.LOOK_EVERY)
            except (CdcError, psycopg.Error) as error:
                self._complain(error)
                self._stop_event.wait(1.0)
        self.halt.set()
        self._looked.set()

    def first_look(self) -> None:
        """Return once the slot has been seen, or this is over: nothing runs before it is known whether it may."""
        self._looked.wait()

    def _look(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        watched, seen = self.watched, watch.look(connection, self.watched.name, self.watched.slot)
        verdict = judge(watched.budget, seen.slot)
        if verdict is Verdict.OVER:
            self.halt.set()
            self._alarm(seen, watch.give_up(connection, watched.name, watched.slot, watched.budget, seen))
            seen = watch.look(connection, watched.name, watched.slot)
        self._note_calm(connection, seen, verdict)
        if seen.control.paused or seen.control.phase is not Phase.RUNNING or self._stop_event.is_set():
            self.halt.set()
        else:
            self.halt.clear()
        self.seen, self._complained = seen, ""
        self._looked.set()

    def _note_calm(
        self, connection: psycopg.Connection[tuple[object, ...]], seen: Look, verdict: Verdict
    ) -> None:  # fmt: skip
        """A steady time ends a row of giving up; a moment of it does not."""
        is_calm = verdict is Verdict.CALM and seen.slot.active and seen.control.phase is Phase.RUNNING
        if not is_calm or not seen.control.times:
            self._calm_since = None
            return
        self._calm_since = self._calm_since or time.monotonic()
        if time.monotonic() - self._calm_since > self.watched.budget.steady_after:
            control.steady(connection, self.watched.name)

    def _alarm(self, seen: Look, reason: str) -> None:
        said = {"alarm": "wal-budget", "stream": self.watched.name, "message": f"the slot is given up: {reason}"}
        _log.error("%s", json.dumps(said))
        try:
            self._journal.record(
                self.watched.domain, "alarm", case="wal-budget", stream=self.watched.name, reason=reason,
                retained=seen.slot.retained, budget=self.watched.budget.bytes,
            )  # fmt: skip
        except JournalUnreachable as unreachable:
            _log.error("%s", json.dumps({"alarm": "journal", "message": str(unreachable)}))

    def _complain(self, error: Exception) -> None:
        """A source that is away keeps no WAL for us; that it cannot be watched is said once."""
        message = str(error).strip().splitlines()[0]
        if message != self._complained:
            _log.warning("%s", json.dumps({"watch": self.watched.name, "message": message}))
        self._complained = message
