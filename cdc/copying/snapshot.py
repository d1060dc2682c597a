"""The first copy: slot, rows and position at one point of the source's WAL; by several workers, unit by unit.

All workers read the snapshot that the slot's creation has exported. Each unit is a transaction of its own. Last of
all the position is written: until then no stream begins, nothing verifies and nothing can switch, so nobody ever
sees the half copy as a whole one. Indexes of tables that were empty are built before that (`snapshot_indexes`).

A copy that died is resumed by the next call, at the point of a new slot: what is on the target already is compared
with the source at that point by checksum, and only what differs is replaced. First everything that the source does
not have like that is deleted, everywhere; then what is missing is loaded. In between the target holds nothing but
rows of the source as they are at this point, so no unique key can be in the way. The same brings back a target whose
slot was lost: what has not changed is not copied again.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import psycopg
from psycopg import sql

from cdc import install, position, servers
from cdc.capture import slots
from cdc.capture.slots import Slot
from cdc.capture.source import SourceConnection
from cdc.comparing.view import Range
from cdc.copying import image, snapshot_indexes, snapshot_plan, snapshot_record
from cdc.copying.snapshot_crew import run_all
from cdc.copying.snapshot_plan import Unit
from cdc.copying.snapshot_progress import Counter, OnSnapshot, SnapshotProgress, read
from cdc.copying.snapshot_record import Attempt
from cdc.copying.snapshot_worker import Todo, Work, Worker, connect_source, connect_target, guard_of, see
from cdc.position import Position
from cdc.projection import Table
from cdc.session import Checkpoint
from cdc.spec import StreamSpec
from cdc.target import refusals
from cdc.target.errors import ApplyMismatch

__all__ = ["OnSnapshot", "SnapshotProgress", "copy", "read"]

_log = logging.getLogger(__name__)

MOST_WORKERS = 4


def copy(
    spec: StreamSpec,
    on_progress: OnSnapshot = lambda progress: None,
    patience: float = 10.0,
    checkpoint: Checkpoint = lambda name: None,
    workers: int | None = None,
    unit_bytes: int = snapshot_plan.UNIT_BYTES,
    afresh: bool = False,
) -> Position:
    """Set the stream up with its rows. One that is set up and can go on is left as it is; a copy that died goes on.
    `afresh`: one that is set up starts over too (its target is not right, and it cannot be refilled because the
    stream has stopped at just that); what is right on the target is not copied again.

    `on_progress` is called some times a second, in the caller's thread. SnapshotRunning: another process is at it.
    """
    install.install(spec)
    with (
        servers.connect(spec.source_dsn, "source", f"fig-snapshot {spec.name}") as monitor,
        servers.connect(spec.target_dsn, "target", f"fig-snapshot {spec.name}") as target,
        snapshot_record.alone(target, spec.name, patience),
    ):
        if not afresh and (found := install.complete(monitor, target, spec)) is not None:
            return found
        attempt, guard = _begin(spec, target, checkpoint)
        slots.drop(monitor, spec.slot)
        crew = workers or crew_size()
        with ExitStack() as opened:
            with _slot_only_for_a_copy(monitor, spec):
                with closing(SourceConnection(spec.source_dsn, f"fig-snapshot {spec.name}")) as replication:
                    slot = slots.create(replication, monitor, spec.slot, patience, export=True)
                    checkpoint("slot created")
                    run = _Run(spec, attempt, guard, slot, Counter(attempt.task, on_progress), checkpoint)
                    run.open(crew, patience, opened)
                run.copy(target, unit_bytes)
            made = run.finish()
        checkpoint("snapshot committed")
        for table in spec.target_tables:
            target.execute(sql.SQL("analyze {}").format(sql.Identifier(table.schema, table.name)))
        return made


def crew_size() -> int:
    """How many workers copy on this machine."""
    return max(2, min(MOST_WORKERS, os.cpu_count() or 1))


@contextmanager
def _slot_only_for_a_copy(monitor: psycopg.Connection[object], spec: StreamSpec) -> Iterator[None]:
    """A copy that fails gives its slot back at once: the next one makes another, and this one would only keep WAL."""
    try:
        yield
    except BaseException:
        try:
            slots.drop(monitor, spec.slot)
        except psycopg.Error as error:
            _log.warning("stream %s: slot %s stays after a failed copy: %s", spec.name, spec.slot, error)
        raise


def _begin(spec: StreamSpec, target: psycopg.Connection[object], checkpoint: Checkpoint) -> tuple[Attempt, str | None]:
    """The old position away before anything else: from here on only a finished copy lets a stream begin. Then what
    a copy that died has taken from its tables is brought back; its last transaction has ended by then."""
    target.execute("set session_replication_role = replica")
    guard = guard_of(spec, target)
    with target.transaction():
        refusals.take_guard(spec, target, guard)
        install.forget(target, spec)
        snapshot_record.forget_refills(target, spec.name)
        attempt = snapshot_record.begin(target, spec.name, snapshot_record.INITIAL)
    checkpoint("attempt begun")
    snapshot_indexes.bring_all_back(target, spec.name, lambda: refusals.take_guard(spec, target, guard))
    return attempt, guard


class _Run:
    """One attempt at its slot's point."""

    def __init__(
        self,
        spec: StreamSpec,
        attempt: Attempt,
        guard: str | None,
        slot: Slot,
        counter: Counter,
        checkpoint: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._spec = spec
        self._attempt = attempt
        self._guard = guard
        self._slot = slot
        self._counter = counter
        self._checkpoint = checkpoint
        self._stop = threading.Event()
        self._workers: list[Worker] = []

    def open(self, count: int, patience: float, opened: ExitStack) -> None:
        """As many workers as the target has replication states for, at least one."""
        for number in range(count):
            try:
                writing = connect_target(self._spec, number, patience)
            except psycopg.errors.ConfigurationLimitExceeded:
                if not number:
                    raise
                return
            opened.callback(writing.close)
            reading = connect_source(self._spec)
            opened.callback(reading.close)
            see(reading, self._slot.snapshot or "")
            work = Work(self._spec, self._attempt, self._guard, self._slot.consistent_point, self._stop)
            self._workers.append(Worker(work, reading, writing))

    def copy(self, target: psycopg.Connection[object], unit_bytes: int) -> None:
        """Afterwards the target has the source's rows at the slot's point."""
        first = self._workers[0]
        pairs = snapshot_plan.pairs(image.fillings(self._spec.projections), first.source, first.target)
        units = [unit for pair in pairs for unit in snapshot_plan.units(pair, first.source, unit_bytes)]
        with target.transaction():
            snapshot_record.claim(target, self._attempt)
            snapshot_record.plan(target, self._attempt, units, Range(), image.lens_of(self._spec.projections))
        for unit in units:
            self._counter.expect(str(unit.pair.filling.target), unit.rows)
        self._checkpoint("planned")
        self._require_whole(first, pairs)
        todos = self._prune(first, pairs, units)
        self._checkpoint("pruned")
        self._take_indexes(first, todos)
        self._checkpoint("indexes taken")
        run_all(self._workers, self._fill, todos, self._counter.tell, self._stop)
        self._counter.tell()
        self._checkpoint("filled")
        taken = snapshot_indexes.missing(target, self._spec.name)
        run_all(self._workers, self._index, taken, self._counter.tell, self._stop)
        self._checkpoint("indexes back")

    def _require_whole(self, worker: Worker, pairs: Sequence[snapshot_plan.Pair]) -> None:
        """Each part has the row that it is a part of."""
        for filling in (pair.filling for pair in pairs):
            for number, part in enumerate(filling.parts):
                found = worker.source.execute(filling.orphans(number).encode()).fetchone()
                if found and found[0]:
                    what = f"{part.source} without {filling.primary.source}"
                    raise ApplyMismatch(what, f"{found[0]} rows have no row that they are a part of", "in the snapshot")

    def _prune(self, first: Worker, pairs: Sequence[snapshot_plan.Pair], units: Sequence[Unit]) -> list[Todo]:
        """Afterwards the target has nothing but rows as the source has them."""
        for target in self._spec.target_tables:
            if stray := image.strays(target, [pair.filling for pair in pairs]):
                with first.transaction():
                    first.target.execute(stray.encode())
        filled = {pair.number for pair in pairs if _has_rows(first, pair)}
        todos = {id(unit): Todo(unit, unit.within, 0) for unit in units}

        def compare(worker: Worker, unit: Unit) -> None:
            todos[id(unit)] = todo = worker.compare(unit)
            if todo.within is None:
                self._counter.done(str(unit.pair.filling.target), todo.kept)
            self._checkpoint("unit compared")

        compared = [unit for unit in units if unit.pair.number in filled]
        run_all(self._workers, compare, compared, self._counter.tell, self._stop)
        return [todo for todo in todos.values() if todo.within is not None]

    def _take_indexes(self, worker: Worker, todos: Sequence[Todo]) -> None:
        """Of the tables that are worth it: a single unit's rows are in before a lock would have been waited for."""
        units = Counts(todo.unit.pair.filling.target for todo in todos)
        for table in (table for table, count in units.items() if count > 1):
            with worker.transaction():
                snapshot_indexes.take(worker.target, self._spec.name, table)

    def _index(self, worker: Worker, table: Table) -> None:
        worker.index(table)
        self._checkpoint("table indexed")

    def _fill(self, worker: Worker, todo: Todo) -> None:
        table = str(todo.unit.pair.filling.target)
        rows = worker.fill(todo, lambda size: self._counter.copied(table, size))
        self._counter.done(table, todo.kept + rows)
        self._checkpoint("table copied")

    def finish(self) -> Position:
        """The position, and with it everything."""
        spec, slot, worker = self._spec, self._slot, self._workers[0]
        made = Position(spec.name, slot.identity, slot.consistent_point)
        seen = worker.source.execute("select pg_current_snapshot()::text").fetchone()
        columns = {table: install.source_columns(worker.source, table) for table in spec.source_tables}
        worker.target.execute("set synchronous_commit = on")
        with worker.transaction():
            snapshot_indexes.require_none_missing(worker.target, spec.name)
            position.write_first(worker.target, made)
            install.remember_columns(worker.target, spec.name, columns)
            snapshot_record.complete(worker.target, self._attempt, seen[0] if seen else None)
        return made


def _has_rows(worker: Worker, pair: snapshot_plan.Pair) -> bool:
    row = worker.target.execute(pair.target.exists().replace("%%", "%").encode()).fetchone()
    return bool(row and row[0])
