"""Runs one stream for as long as the domain has one and nobody has it stand still; starts it again after it stopped.

A stream that stops for a reason (a row that cannot be applied, a foreign writer, another database than before) rings
the alarm and tries again later from where it stopped. One without slot comes back by a copy; the others go on.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import datetime
from typing import Any

import psycopg

from cdc import position
from cdc.control import Phase
from cdc.errors import CdcError
from cdc.kafka.parallel_stream import ParallelStream
from cdc.kafka.topic_publisher import TopicPublisher
from cdc.kafka.transport import Mode
from cdc.masking import said
from cdc.position import lsn_text
from cdc.spec import Progress, StreamSpec, StreamState
from cdc.stream import Stream
from cdc.stream_errors import StreamError, StreamIdentityChanged
from migration_plan.errors import FigError, JournalUnreachable
from migration_plan.lifecycle import Side
from migration_plan.parts import Parts
from migration_plan.streaming import restarts
from migration_plan.streaming.applied_through import AppliedThrough
from migration_plan.streaming.restarts import NotNow
from migration_plan.streaming.slot_watch import SlotWatch, Watched
from migration_plan.sync.streams import spec

_log = logging.getLogger("fig.streams")

BEGUN_EVERY = 0.2
"""Seconds between two looks whether a sync has been prepared, on a connection that stays."""
WELL_AFTER = 2.0
"""Seconds of streaming after which the last trouble is over; one that comes back sooner is the same one."""


def watched(parts: Parts, target: Side) -> Watched:
    """The stream's slot, for its watch."""
    stream = spec(parts, target)
    budget = parts.plan.budget.value
    return Watched(stream.name, parts.domain, f"to_{target}", stream.source_dsn, stream.slot, budget)


class StreamKeeper(threading.Thread):
    """One direction of one domain."""

    def __init__(
        self, parts: Parts, target: Side, applied: AppliedThrough, watch: SlotWatch, stop: threading.Event
    ) -> None:
        super().__init__(name=parts.stream_to(target), daemon=True)
        self._parts, self._target, self._proxies, self._stop_event = parts, target, applied, stop
        self._watch = watch
        self._alarmed = ""
        self._well_since = 0.0
        self.progress = Progress(StreamState.STOPPED)
        self.rows = self.transactions = 0
        """Applied since this process began, over all sessions."""
        self.applied = 0
        self.through: datetime | None = None
        """Everything that the source acknowledged before this time (its clock) is on the target."""
        self.trouble: tuple[str, str] | None = None
        """Code and message of what stopped it last; None once it has moved again."""

    def run(self) -> None:
        self._watch.first_look()
        while not self._stop_event.is_set():
            try:
                self._turn()
            except NotNow as error:
                self._note(error)
                self._stop_event.wait(1.0)
            except (CdcError, FigError, psycopg.Error) as error:
                if not self._ended():
                    self._trouble(error)
                self._stop_event.wait(1.0)

    def _turn(self) -> None:
        seen = self._watch.seen
        if seen is None or seen.control.paused or seen.control.phase is Phase.WAITING:
            self._stop_event.wait(BEGUN_EVERY)
        elif seen.control.phase is not Phase.RUNNING:
            if seen.control.due_in > 0:
                self._stop_event.wait(BEGUN_EVERY)
            else:
                self._bring_back()
        elif self._has_begun():
            self._work(spec(self._parts, self._target))

    def _work(self, stream: StreamSpec) -> None:
        is_parallel = stream.kafka is not None and stream.kafka.mode is Mode.PARALLEL
        (ParallelStream if is_parallel else Stream)(stream, self._told).run(self._watch.halt)

    def _bring_back(self) -> None:
        budget = self._watch.watched.budget
        how = restarts.bring_back(self._parts, self._target, spec(self._parts, self._target), budget)
        if how is None:
            self._stop_event.wait(BEGUN_EVERY)  # Our watch has not seen yet what has been done.
            return
        self._alarmed, self.trouble = "", None
        _log.info("%s", json.dumps({"stream": self.name, "message": f"is back ({how})"}))

    def _has_begun(self) -> bool:
        """Wait for a sync that has been prepared; False when something else is to be done first."""
        with self._connected() as target:
            while not self._begun(target):
                if self._watch.halt.wait(BEGUN_EVERY) or self._stop_event.is_set():
                    return False
        return not self._watch.halt.is_set()

    def _ended(self) -> bool:
        """Whether the sync was ended under the stream. A target that does not answer has ended nothing."""
        try:
            with self._connected() as target:
                return not self._begun(target)
        except psycopg.OperationalError:
            return False

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        dsn = self._parts.plan.sides[self._target].dsn
        return psycopg.connect(dsn, autocommit=True, connect_timeout=2, application_name=f"fig-keeper {self.name}")

    def _begun(self, target: psycopg.Connection[tuple[object, ...]]) -> bool:
        """Whether the target remembers a position: the sign that a sync has been prepared."""
        if target.execute("select 1 from pg_class where oid = to_regclass('fig.position')").fetchone() is None:
            return False
        where = "select 1 from fig.position where stream = %s"
        return target.execute(where, [self._parts.stream_to(self._target)]).fetchone() is not None

    def _told(self, progress: Progress) -> None:
        """Figures of a session begin at nothing; ours go on."""
        before, self.progress = self.progress, progress
        if progress.state is StreamState.STREAMING:
            self.rows += max(0, progress.rows - before.rows)
            self.transactions += max(0, progress.transactions - before.transactions)
            self._well_since = self._well_since or time.monotonic()
            if time.monotonic() - self._well_since > WELL_AFTER:
                self._alarmed, self.trouble = "", None
        else:
            self._well_since = 0.0
        self.applied = progress.applied or self.applied
        if progress.source_time is not None and progress.source_time != before.source_time:
            self.through = progress.source_time
            self._proxies.tell(self._parts.domain, self._target, int(progress.source_time.timestamp() * 1000))

    def _trouble(self, error: Exception) -> None:
        self._alarm(error)
        if isinstance(error, StreamIdentityChanged):
            try:
                restarts.note_loss(spec(self._parts, self._target), self._watch.watched.budget, error)
            except (CdcError, psycopg.Error) as away:
                # Nothing is lost by it: the next session finds the same.
                _log.warning("%s", json.dumps({"stream": self.name, "message": said(away)}))

    def _note(self, error: FigError) -> None:
        self.trouble = (error.code, error.message)
        if error.message != self._alarmed:
            self._alarmed = error.message
            _log.warning("%s", json.dumps({"stream": self.name, "message": error.message}))

    def _alarm(self, error: Exception) -> None:
        message = said(error)
        self.trouble = (getattr(error, "code", "database-error"), message)
        if message == self._alarmed:
            return
        self._alarmed = message
        _log.error("%s", json.dumps({"alarm": "stream", "stream": self.name, "message": message}))
        if isinstance(error, CdcError):
            try:
                self._parts.journal.record(
                    self._parts.domain, "alarm", case=error.code, stream=self.name, reason=message,
                    next_step=self._next_step(error), **self._place(error),
                )  # fmt: skip
            except JournalUnreachable as unreachable:
                _log.error("%s", json.dumps({"alarm": "journal", "message": str(unreachable)}))

    def _place(self, error: CdcError) -> dict[str, Any]:
        """What the stream stands in front of: until its position is behind, nothing is well, however often it tries."""
        change = error.change if isinstance(error, StreamError) else None
        place: dict[str, Any] = {} if change is None else {"before": lsn_text(change.lsn)}
        try:
            with self._connected() as target:
                found = position.read(target, self._parts.stream_to(self._target))
        except psycopg.Error:
            return place
        return place if found is None else {**place, "stood_at": lsn_text(found.lsn)}

    def _next_step(self, error: CdcError) -> str:
        """Of a loss, what its kind asks for; else with the command that leaves the change out, where it is known which
        one it is."""
        if isinstance(error, StreamIdentityChanged):
            return restarts.next_step(error, self._parts.domain, self._target)
        change = error.change if isinstance(error, StreamError) else None
        if change is None or not change.ordinal:
            return error.next_step
        place = f"{lsn_text(change.lsn)} {change.ordinal} --direction to_{self._target} --why …"
        return f"{error.next_step} (fig sync skip {self._parts.domain} {place})"


class TopicKeeper(StreamKeeper):
    """Runs the publisher of one stream that goes through Kafka: it is the one that reads from the slot."""

    def __init__(
        self, parts: Parts, target: Side, applied: AppliedThrough, watch: SlotWatch, stop: threading.Event
    ) -> None:
        super().__init__(parts, target, applied, watch, stop)
        self.name = f"{self.name}_topic"

    def _work(self, stream: StreamSpec) -> None:
        TopicPublisher(stream).run(self._watch.halt)

    def _bring_back(self) -> None:
        """The keeper of the stream itself does."""
        self._stop_event.wait(BEGUN_EVERY)
