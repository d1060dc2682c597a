"""One pair of connections that copies: compares a unit, clears what differs, loads it; each in one transaction.

Every transaction on the target takes the guard first, makes sure that its attempt is still the newest one, carries
an origin of the toolkit (so that no stream sends it back), and records itself. Dead anywhere, it has done nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from cdc import servers, signature
from cdc.comparing.view import Range
from cdc.copying import snapshot_indexes, snapshot_record
from cdc.copying.errors import SnapshotRunning
from cdc.copying.pump import Stopped, pump
from cdc.copying.snapshot_plan import Unit
from cdc.copying.snapshot_record import Attempt
from cdc.projection import Table, quoted
from cdc.spec import StreamSpec
from cdc.target import refusals

Connection = psycopg.Connection[Any]

# Workers are several themselves, and compiling a statement for one unit takes longer than running it.
_PLAIN = "set jit = off; set max_parallel_workers_per_gather = 0"
_TARGET_SETTINGS = (
    "set search_path = pg_catalog; set session_replication_role = replica; set synchronous_commit = off;" + _PLAIN
)
ROWS_OF_A_BUCKET = 64
MOST_BUCKETS = 65536


@dataclass(frozen=True)
class Work:
    """What all workers of one attempt share."""

    spec: StreamSpec
    attempt: Attempt
    guard: str | None
    """What refuses rows in each transaction; taken before the source is read, or it says nothing of what was read."""
    lsn: int
    """The point of the source's WAL at which its rows are read."""
    stop: threading.Event


@dataclass(frozen=True)
class Todo:
    """What of a unit has to be loaded; None is nothing."""

    unit: Unit
    within: Range | None
    kept: int
    """Rows that are there already, as they should be."""


def origin_of(spec: StreamSpec, number: int) -> str:
    """A worker's own origin: the server lends each one to one session at a time."""
    return f"{spec.origin}_copy{number}"


def connect_target(spec: StreamSpec, number: int, patience: float) -> Connection:
    """A session that writes as a copier; no replication state left raises ConfigurationLimitExceeded. SnapshotRunning:
    somebody else copies, and has lost only the session by which that is known."""
    target = servers.connect(spec.target_dsn, "target", f"fig-snapshot {spec.name}")
    try:
        target.execute(_TARGET_SETTINGS)
        name = origin_of(spec, number)
        servers.patiently(lambda: signature.claim(target, name), patience)
    except psycopg.errors.ObjectInUse as error:
        target.close()
        raise SnapshotRunning(spec.name) from error
    except BaseException:
        target.close()
        raise
    return target


def connect_source(spec: StreamSpec) -> Connection:
    """A session that is going to read at a snapshot."""
    reading = servers.connect(spec.source_dsn, "source", f"fig-snapshot {spec.name}")
    reading.execute(_PLAIN)
    return reading


def guard_of(spec: StreamSpec, target: Connection) -> str | None:
    """The statement that refuses a copy's rows from here on, once this side's epoch has passed."""
    guard = spec.copy_guard or spec.guard
    return None if guard is None else guard(target)


def see(reading: Connection, snapshot: str) -> None:
    """From now on the session sees what the exported snapshot sees."""
    reading.execute("begin isolation level repeatable read read only")
    reading.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))


class Worker:
    """Used by one thread at a time. After an error it is good for closing only."""

    def __init__(self, work: Work, reading: Connection, writing: Connection) -> None:
        self._work = work
        self.source = reading
        self.target = writing

    def close(self) -> None:
        self.source.close()
        self.target.close()

    def cancel(self) -> None:
        """From another thread: interrupt whatever runs."""
        for connection in (self.source, self.target):
            if not connection.closed:
                connection.pgconn.get_cancel().cancel()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A fenced one. After an error the connection is not used again, so nothing has to be rolled back here."""
        target = self.target
        target.execute("begin")
        signature.sign(target, self._work.lsn)
        refusals.take_guard(self._work.spec, target, self._work.guard)
        snapshot_record.claim(target, self._work.attempt)
        snapshot_record.wrote(target, self._work.spec.name)
        yield
        target.execute("commit")

    def compare(self, unit: Unit) -> Todo:
        """Clear the unit of every row that is not as the source's is; say what is left to load."""
        within = self._differing(unit)
        if within is None:
            kept = self._count(unit)
            with self.transaction():
                snapshot_record.unit_done(self.target, self._work.attempt, unit, "kept", kept, 0)
            return Todo(unit, None, kept)
        with self.transaction():
            self.delete(unit, within)
            kept = 0 if within.buckets is None else self._count(unit)
            snapshot_record.unit_done(self.target, self._work.attempt, unit, "pruned", kept, 0)
        return Todo(unit, within, kept)

    def fill(self, todo: Todo, on_bytes: Callable[[int], None]) -> int:
        """Load what is missing; the rows loaded."""
        if todo.within is None:
            return 0
        with self.transaction():
            rows, size = self.load(todo.unit, todo.within, on_bytes)
            record = snapshot_record.unit_done
            record(self.target, self._work.attempt, todo.unit, "filled", todo.kept + rows, size)
        return rows

    def replace(self, unit: Unit, on_bytes: Callable[[int], None]) -> int:
        """The unit's rows as the source has them, whatever was there, in the caller's transaction."""
        self.delete(unit, unit.within)
        rows, size = self.load(unit, unit.within, on_bytes)
        snapshot_record.unit_done(self.target, self._work.attempt, unit, "filled", rows, size)
        return rows

    def load(self, unit: Unit, within: Range, on_bytes: Callable[[int], None]) -> tuple[int, int]:
        """(rows, bytes) that went from the source into the target; no such row may be there."""
        size = 0

        def count(more: int) -> None:
            nonlocal size
            size += more
            on_bytes(more)

        filling = unit.pair.filling
        names = ", ".join(quoted(column) for column in filling.columns)
        select = self._literally(unit.pair.source.copy(within), within.parameters)
        out, into = f"COPY ({select}) TO STDOUT", f"COPY {filling.target.quoted} ({names}) FROM STDIN"
        try:
            rows = pump(self.source, out.encode(), self.target, into.encode(), count, self._work.stop)
        except psycopg.Error as error:
            raise self._ended(filling.target, error) from error
        return rows, size

    def index(self, table: Table) -> None:
        """The table has the indexes back that were taken from it while it was empty."""
        try:
            with self.transaction():
                snapshot_indexes.bring_back(self.target, self._work.spec.name, table)
        except psycopg.Error as error:
            raise self._ended(table, error) from error

    def _ended(self, table: Table, error: psycopg.Error) -> Exception:
        """Stopped, if another worker's error has cancelled this one; else what the servers say."""
        return Stopped() if self._work.stop.is_set() else refusals.copy_error(str(table), error)

    def _literally(self, query: str, parameters: tuple[Any, ...]) -> str:
        """COPY takes no parameters."""
        if not parameters:
            return query.replace("%%", "%")
        return psycopg.ClientCursor(self.source).mogrify(query.encode(), parameters)

    def delete(self, unit: Unit, within: Range) -> int:
        """Rows of the target away, in the caller's transaction."""
        return self._run(self.target, unit.pair.target.delete(within), within).rowcount

    def _count(self, unit: Unit) -> int:
        rows = self._run(self.target, unit.pair.target.digest(unit.within), unit.within).fetchone()
        return int(rows[0]) if rows else 0

    def _differing(self, unit: Unit) -> Range | None:
        """What of the unit has to be replaced; None when both sides are the same."""
        views, within = (unit.pair.source, unit.pair.target), unit.within
        sides = (self.source, self.target)
        source_has, target_has = (
            self._run(side, view.digest(within), within).fetchone() for side, view in zip(sides, views, strict=True)
        )
        if source_has == target_has:
            return None
        rows = max(source_has[0], target_has[0]) if source_has and target_has else 0
        if not target_has or not target_has[0] or rows < ROWS_OF_A_BUCKET:
            return within
        count = min(MOST_BUCKETS, 1 << (rows // ROWS_OF_A_BUCKET).bit_length())
        found = [
            {bucket: rest for bucket, *rest in self._run(side, view.digests(within, count), within).fetchall()}
            for side, view in zip(sides, views, strict=True)
        ]
        differing = tuple(sorted(b for b in found[0].keys() | found[1].keys() if found[0].get(b) != found[1].get(b)))
        return within if 2 * len(differing) > count else within.only(count, differing)

    def _run(self, connection: Connection, query: str, within: Range) -> psycopg.Cursor[Any]:
        # Never prepared: a generic plan knows nothing of the range and may read the whole table for each unit.
        return connection.execute(query.encode(), within.parameters, prepare=False)
