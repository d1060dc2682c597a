"""The session on the target: statements go down a libpq pipeline, answers come back later and are all judged.

No answer is waited for: the target itself refuses to commit what is not right (guard, row counts, position), so
that a refusal found later has undone the whole transaction.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import psycopg
from psycopg import pq

from cdc import position, servers, signature
from cdc.capture.changes import Kept
from cdc.position import Position, commit_time, lsn_text, parse_lsn
from cdc.projection import Table
from cdc.spec import StreamSpec
from cdc.stream_errors import ConnectionLost, NotSetUp
from cdc.target import fixed_statements, refusals, skip, target_tables
from cdc.target.group import Group
from cdc.target.parking import Parking
from cdc.target.pipeline import Pipeline, Sent
from cdc.target.runs import Batch
from cdc.target.skip import Omission
from cdc.target.statements import Shape, statement
from cdc.target.transaction import Statement, WholeTable

# Every statement of ours finds its rows by primary key, one after the other as they are listed. No plan may depend
# on statistics of a table that was empty when the stream began.
_SETTINGS = """
    set search_path = pg_catalog;
    set session_replication_role = replica;
    set synchronous_commit = off;
    set plan_cache_mode = force_generic_plan;
    set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set jit = off
"""

ANSWER_SECONDS = 5.0
"""For the answers to what was sent before the guard is made anew; a target that is slower is connected to again."""


class TargetSession:
    """Connected, identified, in pipeline mode. One at a time for each signature; the server sees to that."""

    def __init__(self, spec: StreamSpec, parked: Collection[Table] = ()) -> None:
        """`parked`: tables whose constraints are met only by what a whole transaction leaves."""
        self._spec = spec
        self._connection = servers.connect(spec.target_dsn, "target", f"fig-apply {spec.name}")
        try:
            self._prepare(parked)
        except psycopg.Error as error:
            self.close()
            raise servers.refused("target", error) from error
        except BaseException:
            self.close()
            raise

    def _prepare(self, parked: Collection[Table]) -> None:
        run = self._connection.execute
        run(_SETTINGS)
        self._require_position()
        self.set_up = target_tables.set_up(self._connection, self._spec.name)
        self.tables = target_tables.read(self._connection, self._spec.target_tables)
        unparked = [table for table in self._spec.target_tables if table not in parked]
        self.fixed = target_tables.fixed(self._connection, unparked)
        self.skips = skip.waiting(self._connection, self._spec.name)
        self._parkings = {table: Parking(self._connection, table, i) for i, table in enumerate(sorted(parked))}
        self._parked: set[Table] = set()
        self._by_origin = signature.claim(self._connection, self._spec.origin)
        # Only now: until a predecessor lets go of the name, what it had sent before it ended may still be committed.
        self.position = found = self._require_position()
        self.applied = self.sent_lsn = found.lsn
        # What a predecessor committed is visible, and perhaps not flushed: the slot must not hear of it yet.
        self.flushed = 0
        self.source_time: datetime | None = found.source_time
        self.rows = self.transactions = 0
        self.lag: float | None = None
        self._unflushed: deque[tuple[int, int]] = deque()
        self._statements: dict[tuple[Shape, int, int], bytes] = {}
        self._asked_flushed = 0.0
        self._in_transaction = self._guarded = False
        fixed_statements.prepare(self._spec, self._connection, self._by_origin)
        self._pipeline = Pipeline(self._connection, self._judge)

    def _require_position(self) -> Position:
        found = position.read(self._connection, self._spec.name)
        if found is None:
            raise NotSetUp(self._spec.name)
        return found

    def close(self) -> None:
        """Whatever is open is rolled back."""
        self._connection.pgconn.finish()

    @property
    def socket(self) -> int:
        return self._pipeline.socket

    @property
    def unanswered(self) -> int:
        """Commands on their way; the measure for when to stop reading the source."""
        return len(self._pipeline)

    @property
    def is_settled(self) -> bool:
        """Everything sent is committed and flushed."""
        return not self._pipeline and self.flushed >= self.sent_lsn

    def write(self, change: Statement, group: Group) -> None:
        """Send one statement; the first of a transaction that writes a row takes the guard before it.

        To leave a change out writes none: what a guard refuses, a foreign write, can be left out.
        """
        self._begin()
        group.is_news = True
        if not self._guarded and not isinstance(change, Omission):
            if not self._by_origin:
                self._pipeline.query(b"sign", [self._spec.origin.encode()], Sent("signature", group))
            self._pipeline.query(b"guard", [], Sent("guard", group, _about(change)))
            self._guarded = True
        if self._parkings and not isinstance(change, Omission) and change.target in self._parkings:
            self._write_parked(change, self._parkings[change.target], group)
        elif isinstance(change, Batch):
            shape, rows, params = change
            name = self._statements.get((shape, rows, 0)) or self._prepare_rows((shape, rows, 0), None, group)
            self._pipeline.query(name, params, Sent("rows", group, shape, group.ordinal))
        else:
            self._pipeline.send(change.sql, Sent("rows", group, change, group.ordinal))
        if isinstance(change, Batch):
            group.rows += change.rows

    def _write_parked(self, change: Batch | WholeTable, parking: Parking, group: Group) -> None:
        self._parked.add(change.target)
        if isinstance(change, WholeTable):
            for sql in (change.sql, parking.of_copy(change.sql)):
                self._pipeline.send(sql, Sent("rows", group, change, group.ordinal))
            return
        for key, sql, params in parking.steps(change):
            name = self._statements.get(key) or self._prepare_rows(key, sql, group)
            self._pipeline.query(name, params, Sent("rows", group, change.shape, group.ordinal))

    @property
    def signs_by_origin(self) -> bool:
        """Else by a message in the transaction."""
        return self._by_origin

    def commit_places(self, group: Group, places: Sequence[Kept]) -> None:
        """Send the places of partitions, which take the position's part, and commit."""
        self._begin()
        for kept in places:
            self._pipeline.query(kept.statement, kept.parameters, Sent("position", group))
        self._pipeline.query(b"commit", [], Sent("commit", group))
        self._in_transaction = self._guarded = False
        self._pipeline.sync(group)

    def commit(self, group: Group, beside: Sequence[Kept] = ()) -> None:
        """Send position and commit. From here on it is the target's decision."""
        self._begin()
        for parking in (self._parkings[table] for table in sorted(self._parked)):
            self._pipeline.send(parking.back, Sent("rows", group, parking.about))
        self._parked.clear()
        for kept in beside:
            self._pipeline.query(kept.statement, kept.parameters, Sent("place", group))
        moment = commit_time(group.time).isoformat().encode() if group.time else None
        probe, marker = (text.encode() if text else None for text in (group.probe, group.marker))
        old, new = lsn_text(self.sent_lsn).encode(), lsn_text(group.lsn).encode()
        parameters = [self._spec.name.encode(), old, new, moment, probe, marker]
        self._pipeline.query(b"advance", parameters, Sent("position", group))
        self._pipeline.query(b"commit", [], Sent("commit", group))
        self.sent_lsn = group.lsn
        self._in_transaction = self._guarded = False
        self._pipeline.sync(group)

    def guard_anew(self) -> None:
        """Between two transactions: take the epoch of now for those that come, as a new session would."""
        self._pipeline.settle(ANSWER_SECONDS)
        if self._pipeline:
            raise ConnectionLost("target", f"no answer for {ANSWER_SECONDS:g} s")
        self._pipeline.leave()
        fixed_statements.prepare_guard_again(self._spec, self._connection)
        self._pipeline = Pipeline(self._connection, self._judge)

    def ask_flushed(self, every: float) -> None:
        """Ask how far the target has flushed, unless it was asked less than `every` seconds ago."""
        if self._in_transaction or time.monotonic() - self._asked_flushed < every:
            return
        self._asked_flushed = time.monotonic()
        self._pipeline.query(b"flushed", [], Sent("flushed"))
        self._pipeline.sync(None)

    def flush(self) -> bool:
        """Push out what waits in our buffer; True when the target takes no more for now."""
        return self._pipeline.flush()

    def collect(self) -> None:
        """Judge the answers that have arrived."""
        self._pipeline.collect()

    def settle(self, seconds: float) -> None:
        """Wait for the answers to all that was committed. An open transaction will be rolled back."""
        self._pipeline.settle(seconds)

    def _judge(self, result: pq.abc.PGresult, sent: Sent) -> None:
        status = result.status
        if status == pq.ExecStatus.PIPELINE_SYNC:
            if sent.group:
                self._applied(sent.group)
        elif status == pq.ExecStatus.TUPLES_OK and sent.what == "flushed":
            inserted, flushed = (parse_lsn((result.get_value(0, i) or b"").decode()) for i in (0, 1))
            self._unflushed.append((self.applied, inserted))
            while self._unflushed and self._unflushed[0][1] <= flushed:
                self.flushed = self._unflushed.popleft()[0]
        elif status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            place = sent.group.place if sent.group else ""
            lsn, about = (sent.group.last_lsn if sent.group else 0), sent.about or sent.what
            raise refusals.named(self._spec, result, sent.what, about, place, lsn, sent.ordinal)

    def _applied(self, group: Group) -> None:
        self.applied = group.lsn
        self.rows += group.rows
        self.transactions += group.transactions
        if group.time:
            committed = commit_time(group.time)
            self.source_time = max(committed, self.source_time or committed)
            self.lag = (datetime.now(UTC) - committed).total_seconds()

    def _begin(self) -> None:
        if not self._in_transaction:
            self._pipeline.query(b"begin", [], Sent("begin"))
            self._in_transaction = True

    def _prepare_rows(self, key: tuple[Shape, int, int], sql: str | None, group: Group) -> bytes:
        """One of a shape's statements, prepared when it is first wanted."""
        shape, rows, _step = key
        name = self._statements[key] = f"s{len(self._statements)}".encode()
        self._pipeline.prepare(name, sql or statement(shape, rows), Sent("rows", group, shape, group.ordinal))
        return name


def _about(change: Statement) -> Shape | WholeTable | Omission:
    """What may be shown of a change: a batch itself holds values."""
    return change.shape if isinstance(change, Batch) else change
