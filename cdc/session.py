"""The loop: from the source to the target and back to the source, until told to stop or something is wrong."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass

import psycopg

from cdc.capture.changes import ChangeSource, Keepalive
from cdc.capture.slot_changes import SlotChanges
from cdc.confirm import FLUSH_CHECK_EVERY, PROGRESS_EVERY, Confirmation, Report
from cdc.gate.applier import Gate
from cdc.kafka.topic_changes import TopicChanges
from cdc.message_errors import Untranslatable
from cdc.messages import Begin, Commit, Delete, Insert, Message, Truncate, Update
from cdc.projection import Table
from cdc.servers import refused
from cdc.spec import OnProgress, StreamSpec, StreamState
from cdc.stream_errors import ConnectionLost
from cdc.target.apply import TargetSession
from cdc.target.group import Group
from cdc.target.statements import BATCHES
from cdc.target.transaction import Statement
from cdc.target.translate import Translator

_CHANGES = (Insert, Update, Delete, Truncate)

Checkpoint = Callable[[str], None]
"""Called with a name at the points where a crash is most interesting; does nothing in production."""

TURN = 1000
"""Messages read before the target's answers are looked at."""
MOST_UNANSWERED = 512
"""Statements on their way to the target before reading pauses: bounds memory, whatever a transaction's size."""
LARGE = 64 * 1024
"""Bytes of a message that does not wait for more of its kind."""
MOST_LARGE = 1024 * 1024
"""Bytes of such messages before the target gets its turn."""
IDLE_ADVANCE = 1.0
"""Seconds after which a position without rows or messages of ours is written all the same."""
IDLE_WAIT = 0.1
SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Pace:
    """How much goes together while there is a backlog."""

    longest_run: int = BATCHES[0]
    group_rows: int = 2000
    parked: frozenset[Table] = frozenset()
    """Target tables whose constraints stand in the way of single steps."""


CAREFUL = Pace(longest_run=1, group_rows=0)
"""One row a statement, one source transaction at a time: says exactly which one is refused."""


def changes_of(spec: StreamSpec) -> ChangeSource:
    """Where the stream's messages come from."""
    return SlotChanges(spec) if spec.kafka is None else TopicChanges(spec)


class Session:
    """One pair of connections. Any exception ends it; a new one goes on from the position."""

    def __init__(self, spec: StreamSpec, pace: Pace, on_progress: OnProgress, checkpoint: Checkpoint) -> None:
        self._pace = pace
        self._checkpoint = checkpoint
        try:
            with ExitStack() as opened:
                self._target = target = opened.enter_context(closing(TargetSession(spec, pace.parked)))
                self._gate = opened.enter_context(closing(Gate(spec)))
                self._source = source = opened.enter_context(closing(changes_of(spec)))
                position = source.resume(target.position)
                self._opened = opened.pop_all()
        except psycopg.Error as error:
            # What a source answers has a name by now.
            raise refused("target", error) from error
        self._translator = Translator(
            spec, target.tables, target.set_up, pace.longest_run, target.fixed, target.skips, pace.parked
        )
        self._confirmation = Confirmation(source, target)
        self._report = Report(target, self._confirmation, on_progress)
        self._group = Group(lsn=position.lsn)
        self._committed_at = 0.0
        self._is_blocked = False
        """The target takes no more for now: nothing is read, so that large values do not pile up here."""
        self._parked: Begin | None = None
        self.received = position.lsn
        """Commit LSN of the newest transaction that was begun."""

    @property
    def applied_rows(self) -> int:
        return self._target.rows

    def close(self) -> None:
        """Whatever is not committed is rolled back."""
        self._opened.close()

    def run(self, stop: threading.Event, until: int | None = None) -> None:
        """Until `stop` is set or everything up to `until` is applied."""
        try:
            while not stop.is_set() and (until is None or self._target.applied < until):
                self._turn()
        except Untranslatable:
            self._target.settle(SETTLE_SECONDS)
            raise
        except psycopg.OperationalError as error:
            raise ConnectionLost("target", str(error)) from error

    def _turn(self) -> None:
        is_full = self._target.unanswered > MOST_UNANSWERED or self._is_blocked
        is_paused = is_full or self._stands_at_gate()
        may_be_more = not is_paused and self._receive()
        self._target.collect()
        if self._confirmation.tick():
            self._checkpoint("confirmed")
        self._is_blocked = self._target.flush()
        self._report.tick()
        if not may_be_more or self._is_blocked:
            self._wait(is_paused or self._is_blocked, self._is_blocked)

    def _receive(self) -> bool:
        """Take what has arrived; True if there may be more."""
        if self._parked is not None:
            parked, self._parked = self._parked, None
            self._begin(parked)
        large, source, take = 0, self._source, self._translator.take
        for _ in range(TURN):
            received = source.receive()
            if received is None:
                break
            if isinstance(received, _CHANGES):
                for statement in take(received):
                    self._write(statement)
                if source.size > LARGE:
                    self._send_waiting()
                    large += source.size
                    if large > MOST_LARGE:
                        self._end_of_turn()
                        return True
            elif isinstance(received, Keepalive):
                self._keepalive(received)
            else:
                self._message(received)
                if self._parked is not None:
                    break
        else:
            self._end_of_turn()
            return True
        self._end_of_turn()
        return False

    def _message(self, message: Message) -> None:
        if isinstance(message, Begin):
            if self._gate.stops(message.final_lsn):
                self._parked = message
            else:
                self._begin(message)
        elif isinstance(message, Commit):
            self._end_of_transaction(message)
        else:
            self._translator.take(message)

    def _write(self, statement: Statement) -> None:
        self._group.ordinal = self._translator.ordinal
        self._target.write(statement, self._group)
        self._checkpoint("written")

    def _begin(self, message: Begin) -> None:
        self.received = message.final_lsn
        transaction = self._translator.begin(message)
        group = self._group
        group.last, group.last_lsn = transaction, message.final_lsn
        if group.first is None:
            group.first = transaction

    def _end_of_transaction(self, message: Commit) -> None:
        group, transaction = self._group, self._translator.end()
        group.lsn = max(group.lsn, message.end_lsn)
        if not transaction.is_ours:
            group.take(transaction, message.time)
            group.is_news |= self._translator.has_changes
        if transaction.is_grant or (group.rows >= self._pace.group_rows and group.is_news):
            self._commit()
        if transaction.is_grant:
            # Else the first row of the new owner would be refused, and two sessions made for it.
            self._target.guard_anew()

    def _end_of_turn(self) -> None:
        """Nothing more has arrived: commit what is there, unless the source's transaction goes on."""
        if self._translator.transaction is not None:
            return
        is_due = time.monotonic() - self._committed_at > IDLE_ADVANCE
        if self._group.is_news or (is_due and self._group.lsn > self._target.sent_lsn):
            self._commit()

    def _commit(self) -> None:
        self._send_waiting()
        self._checkpoint("before commit")
        self._target.commit(self._group, self._source.beside())
        self._checkpoint("commit sent")
        self._committed_at = time.monotonic()
        self._group = Group(lsn=self._group.lsn)
        self._target.ask_flushed(FLUSH_CHECK_EVERY)

    def _send_waiting(self) -> None:
        """The changes that wait for more of their kind."""
        for statement in self._translator.close():
            self._target.write(statement, self._group)

    def _keepalive(self, message: Keepalive) -> None:
        """Between transactions the source has nothing for us before `wal_end`."""
        self._confirmation.asked |= message.reply
        if self._translator.transaction is None:
            self._group.lsn = max(self._group.lsn, message.wal_end)

    def _stands_at_gate(self) -> bool:
        """Whether a verification wants the stream to stay at this boundary. What came before is applied first."""
        self._gate.listen()
        ahead = self._parked.final_lsn if self._parked else self._group.lsn
        self._report.state = StreamState.STREAMING
        if self._translator.transaction is not None or not self._gate.stops(ahead):
            return False
        if self._group.is_news:
            self._commit()
        elif not self._target.unanswered:
            self._gate.reached(self._target.applied)
        self._report.state = StreamState.HELD
        return True

    def _wait(self, is_paused: bool, is_blocked: bool) -> None:
        poll = select.poll()
        poll.register(self._target.socket, select.POLLIN | (select.POLLOUT if is_blocked else 0))
        poll.register(self._gate.socket, select.POLLIN)
        if not is_paused:
            for socket in self._source.sockets:
                poll.register(socket, select.POLLIN)
        seconds = IDLE_WAIT if self._target.is_settled else FLUSH_CHECK_EVERY
        poll.poll(1000 * min(seconds, PROGRESS_EVERY if self._report.is_due else seconds))
