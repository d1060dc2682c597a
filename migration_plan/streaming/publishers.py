"""Keeps one outbox's publisher at work, for as long as the outbox has a slot; says once what is in its way."""

from __future__ import annotations

import json
import logging
import threading

import psycopg

from cdc import control, servers
from cdc.control import Event, Phase
from cdc.errors import CdcError
from cdc.masking import said
from cdc.outbox import install as outbox_install
from cdc.outbox.broker import connected
from cdc.outbox.errors import OutboxNotPrepared, OutboxSlotLost
from cdc.outbox.figures import Figures
from cdc.outbox.install import LOOK_EVERY
from cdc.outbox.publisher import Publisher
from cdc.outbox.spec import OutboxSpec
from migration_plan.errors import JournalUnreachable
from migration_plan.lifecycle import Side
from migration_plan.parts import Parts
from migration_plan.streaming.slot_watch import SlotWatch, Watched

_log = logging.getLogger("fig.publishers")

AFTER_ERROR = 5.0
"""Seconds; what was published since the last confirmed transaction is published again each time."""


def watched_publisher(parts: Parts, side: Side, spec: OutboxSpec) -> Watched:
    """The publisher's slot, for its watch."""
    return Watched(spec.name, spec.domain, f"outbox_{side}", spec.dsn, spec.slot, parts.plan.budget.value)


class PublisherKeeper(threading.Thread):
    """Runs one publisher for as long as nobody has it stand still, and starts it again after it stopped."""

    def __init__(self, parts: Parts, spec: OutboxSpec, watch: SlotWatch, stop: threading.Event) -> None:
        super().__init__(name=spec.name, daemon=True)
        self._parts, self._spec, self._watch, self._stop_event = parts, spec, watch, stop
        self._said = ""
        self.figures = Figures(0, 0)
        self.published = 0
        """Since this process began, over all sessions."""
        self.trouble: tuple[str, str] | None = None

    def run(self) -> None:
        self._watch.first_look()
        while not self._stop_event.is_set():
            try:
                self._turn()
            except OutboxNotPrepared:
                continue  # Its slot was taken away under it: the sync has ended, which is no alarm.
            except OutboxSlotLost as error:
                self._alarm(error)
                self._note_loss(error)
                self._stop_event.wait(LOOK_EVERY)
            except (CdcError, psycopg.Error) as error:
                self._alarm(error)
                self._stop_event.wait(AFTER_ERROR)

    def _turn(self) -> None:
        seen = self._watch.seen
        if seen is None or seen.control.paused or seen.control.phase is Phase.WAITING:
            self._stop_event.wait(LOOK_EVERY)
        elif seen.control.phase is not Phase.RUNNING:
            if seen.control.due_in > 0 or not self._bring_back():
                self._stop_event.wait(LOOK_EVERY)
        elif outbox_install.wait_until_prepared(self._spec, self._watch.halt) and not self._watch.halt.is_set():
            Publisher(self._spec, self._tell).run(self._watch.halt)

    def _bring_back(self) -> bool:
        """A new slot, then what the table holds and the broker may not have; whoever hears of one twice knows it."""
        with connected(self._spec.broker_url):
            pass  # A broker that is away is waited for without a slot: BrokerAway.
        with servers.connect(self._spec.dsn, "source", f"fig-restart {self.name}") as connection:
            before = control.read(connection, self.name)
            if not control.move(connection, self.name, Event.DUE):
                return False
            try:
                outbox_install.prepare(self._spec, again=True)
            except (CdcError, psycopg.Error) as error:
                times, budget = before.times + 1, self._watch.watched.budget
                control.move(connection, self.name, Event.COPY_FAILED, getattr(error, "code", "database-error"),
                             said(error), budget.pause_after(times), times)  # fmt: skip
                raise
            control.move(connection, self.name, Event.COPIED)
        self._parts.journal.record(self._parts.domain, "publisher-returned", publisher=self.name, after=before.code)
        return True

    def _note_loss(self, error: OutboxSlotLost) -> None:
        """A slot that is gone comes back by itself; on another server than before a person says so."""
        try:
            with servers.connect(self._spec.dsn, "source", f"fig-restart {self.name}") as connection:
                times = control.read(connection, self.name).times + 1
                pause = 0.0 if times == 1 else self._watch.watched.budget.pause_after(times - 1)
                event = Event.LOST if error.same_server else Event.DOUBTFUL
                control.move(connection, self.name, event, error.code, error.message, pause, times)
        except (CdcError, psycopg.Error) as away:
            # Nothing is lost by it: the next session finds the same.
            _log.warning("%s", json.dumps({"publisher": self.name, "message": said(away)}))

    def _tell(self, figures: Figures) -> None:
        """What passes by itself is told when it begins and when it is over."""
        self.published += max(0, figures.published - self.figures.published)
        self.figures, self.trouble = figures, None
        if figures.trouble == self._said:
            return
        news = {"publisher": self.name, "message": figures.trouble or "goes on", "published": figures.published}
        (_log.warning if figures.trouble else _log.info)("%s", json.dumps(news))
        self._said = figures.trouble

    def _alarm(self, error: Exception) -> None:
        message = said(error)
        self.trouble = (getattr(error, "code", "database-error"), message)
        if message == self._said:
            return
        self._said = message
        _log.error("%s", json.dumps({"alarm": "publisher", "publisher": self.name, "message": message}))
        if isinstance(error, CdcError) and error.code != "connection-lost":
            try:
                self._parts.journal.record(
                    self._parts.domain, "alarm", case=error.code, publisher=self.name, reason=message,
                    next_step=error.next_step,
                )  # fmt: skip
            except JournalUnreachable as unreachable:
                _log.error("%s", json.dumps({"alarm": "journal", "message": str(unreachable)}))
