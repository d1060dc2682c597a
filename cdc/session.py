"""The loop: from the slot to the target and back to the slot, until told to stop or something is wrong."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cdc.apply import Group, TargetSession
from cdc.pgoutput import Begin, Commit, decode
from cdc.position import require_same
from cdc.source import SILENCE_SECONDS, Keepalive, SourceConnection
from cdc.spec import OnProgress, Progress, StreamSpec, StreamState
from cdc.statements import BATCHES
from cdc.stream_errors import ConnectionLost
from cdc.translate import Translator

Checkpoint = Callable[[str], None]
"""Called with a name at the points where a crash is most interesting; does nothing in production."""

TURN = 1000
"""Messages read before the target's answers are looked at."""
MOST_UNANSWERED = 512
"""Statements on their way to the target before reading pauses: bounds memory, whatever a transaction's size."""
IDLE_ADVANCE = 1.0
STATUS_EVERY = 1.0
CONFIRM_EVERY = 0.1
FLUSH_CHECK_EVERY = 0.05
PROGRESS_EVERY = 0.025
ASK_AFTER_SILENCE = 10.0


@dataclass(frozen=True)
class Pace:
    """How much goes together while there is a backlog."""

    longest_run: int = BATCHES[0]
    group_rows: int = 2000


CAREFUL = Pace(longest_run=1, group_rows=0)
"""One row a statement, one source transaction at a time: says exactly which one is refused."""


class Session:
    """One pair of connections. Any exception ends it; a new one goes on from the position."""

    def __init__(self, spec: StreamSpec, pace: Pace, on_progress: OnProgress, checkpoint: Checkpoint) -> None:
        self._spec = spec
        self._pace = pace
        self._on_progress = on_progress
        self._checkpoint = checkpoint
        self._target = TargetSession(spec)
        try:
            self._source = SourceConnection(spec.source_dsn, f"fig-stream {spec.name}")
            try:
                self._start()
            except BaseException:
                self._source.close()
                raise
        except BaseException:
            self._target.close()
            raise

    def _start(self) -> None:
        spec, target = self._spec, self._target
        identity = self._source.identify(spec.slot)
        position = require_same(target.position, spec.name, identity, self._source.confirmed(spec.slot))
        self._source.start(spec.slot, spec.publication, position.lsn)
        self._translator = Translator(spec, target.tables, target.set_up, self._pace.longest_run)
        self._group = Group(lsn=position.lsn)
        self.received = self._committed = self._confirmed = position.lsn
        self._committed_at = self._status_at = self._reported_at = self._asked_at = 0.0
        self._reported = (0, 0)
        self._reply = False

    @property
    def applied_rows(self) -> int:
        return self._target.rows

    def close(self) -> None:
        self._source.close()
        self._target.close()

    def run(self, stop: threading.Event, until: int | None = None) -> None:
        """Until `stop` is set or everything up to `until` is applied."""
        while not stop.is_set() and (until is None or self._target.applied < until):
            is_full = self._target.unanswered > MOST_UNANSWERED
            more = not is_full and self._receive()
            self._target.collect()
            is_blocked = self._target.flush()
            self._confirm()
            self._report()
            if not more:
                self._wait(is_full, is_blocked)

    def _receive(self) -> bool:
        """Take what has arrived; True if there may be more."""
        for _ in range(TURN):
            received = self._source.receive()
            if received is None:
                break
            if isinstance(received, Keepalive):
                self._keepalive(received)
            else:
                self._message(received.content)
        else:
            self._end_of_turn()
            return True
        self._end_of_turn()
        return False

    def _message(self, content: bytes) -> None:
        message = decode(content)
        if isinstance(message, Begin):
            self.received = message.final_lsn
            self._group.last = str(self._translator.begin(message))
            self._group.first = self._group.first or self._group.last
        elif isinstance(message, Commit):
            self._end_of_transaction(message)
        else:
            for statement in self._translator.take(message):
                self._target.write(statement, self._group)
                self._group.is_news = True
                self._checkpoint("written")

    def _end_of_transaction(self, message: Commit) -> None:
        group, transaction = self._group, self._translator.transaction
        self._translator.end()
        group.lsn = max(group.lsn, message.end_lsn)
        if transaction is not None and not transaction.is_ours:
            group.time = max(group.time, message.time)
            group.transactions += 1
            group.is_news |= transaction.heartbeat or bool(transaction.probe or transaction.marker)
            group.is_news |= self._translator.has_changes
            group.probe = transaction.probe or group.probe
            group.marker = transaction.marker or group.marker
        if group.rows >= self._pace.group_rows and group.is_news:
            self._commit()

    def _end_of_turn(self) -> None:
        """Nothing more has arrived: commit what is there, unless the source's transaction goes on."""
        if self._translator.transaction is not None:
            return
        is_due = time.monotonic() - self._committed_at > IDLE_ADVANCE
        if self._group.is_news or (is_due and self._group.lsn > self._committed):
            self._commit()

    def _commit(self) -> None:
        for statement in self._translator.close():
            self._target.write(statement, self._group)
        self._checkpoint("before commit")
        self._target.commit(self._group)
        self._committed, self._committed_at = self._group.lsn, time.monotonic()
        self._group = Group(lsn=self._committed)
        self._target.ask_flushed(FLUSH_CHECK_EVERY)
        self._target.flush()
        self._checkpoint("commit sent")

    def _keepalive(self, message: Keepalive) -> None:
        """Between transactions the source has nothing for us before `wal_end`."""
        self._reply |= message.reply
        if self._translator.transaction is None:
            self._group.lsn = max(self._group.lsn, message.wal_end)

    def _confirm(self) -> None:
        """Only what the target has flushed may be forgotten by the source."""
        if self._target.applied > self._target.flushed:
            self._target.ask_flushed(FLUSH_CHECK_EVERY)
            self._target.flush()
        now, flushed = time.monotonic(), self.confirmable()
        due = CONFIRM_EVERY if flushed > self._confirmed else STATUS_EVERY
        silence = self._source.silence()
        if silence > SILENCE_SECONDS:
            raise ConnectionLost("source", f"no word for {SILENCE_SECONDS:g} s, though asked")
        ask = silence > ASK_AFTER_SILENCE and now - self._asked_at > ASK_AFTER_SILENCE / 2
        if self._reply or ask or now - self._status_at > due:
            self._source.send_status(flushed, self._target.applied, ask)
            self._confirmed, self._status_at, self._reply = flushed, now, False
            self._asked_at = now if ask else self._asked_at
            self._checkpoint("confirmed")

    def confirmable(self) -> int:
        """What the source may forget."""
        return self._target.flushed

    def _report(self) -> None:
        if not self._has_news or time.monotonic() - self._reported_at < PROGRESS_EVERY:
            return
        target = self._target
        lag = (datetime.now(UTC) - target.last_commit_time).total_seconds() if target.last_commit_time else None
        progress = Progress(
            StreamState.STREAMING, target.applied, self._confirmed, target.source_time, lag, target.rows,
            target.transactions,
        )  # fmt: skip
        self._on_progress(progress)
        self._reported, self._reported_at = (progress.applied, progress.confirmed), time.monotonic()

    @property
    def _has_news(self) -> bool:
        return self._reported != (self._target.applied, self._confirmed)

    def _wait(self, is_full: bool, is_blocked: bool) -> None:
        poll = select.poll()
        poll.register(self._target.socket, select.POLLIN | (select.POLLOUT if is_blocked else 0))
        if not is_full:
            poll.register(self._source.socket, select.POLLIN)
        seconds = PROGRESS_EVERY if self._has_news else 0.1 if self._target.is_settled else FLUSH_CHECK_EVERY
        poll.poll(1000 * seconds)
