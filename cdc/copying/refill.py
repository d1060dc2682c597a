"""Rows copied again while the stream runs: a table, a range of its keys, or single rows; each at an exact point.

The applier stands at a point of the source's WAL (`cdc.gate.exact`); the source is read at a snapshot that sees
exactly what committed before it. Then one transaction on the target takes the guard, shares the position's row and
finds in it the position at which the applier stands, deletes the rows, loads them, and commits. So a chunk is never
older or newer than the target that it is put into; watermarks, which compare times of a log with a snapshot's, are not
needed. An applier that does not wait, or another one, cannot commit past that row before the refill has.

Each unit has its own point, so that the stream is held for one unit at a time. A refill that died goes on, by the
same call, with the units that are left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg

from cdc import position, servers
from cdc.comparing.view import Range
from cdc.copying import image, snapshot_plan, snapshot_record
from cdc.copying.errors import PositionMoved
from cdc.copying.image import Filling
from cdc.copying.snapshot_plan import Pair, Unit
from cdc.copying.snapshot_progress import Counter, OnSnapshot
from cdc.copying.snapshot_record import Attempt
from cdc.copying.snapshot_worker import Work, Worker, connect_source, connect_target, guard_of, see
from cdc.gate.exact import standing
from cdc.position import parse_lsn
from cdc.projection import Table
from cdc.row_security import require_every_row
from cdc.session import Checkpoint
from cdc.spec import StreamSpec
from cdc.stream_errors import NotSetUp, SetUpError

REFILL_BYTES = 8 * 1024 * 1024
"""Of the source's table in one unit: what the stream is held for."""
TRIES = 5
"""For one unit: an applier that starts anew, or waits no longer, costs one."""


@dataclass(frozen=True)
class Refilled:
    """What a refill has done."""

    rows: int
    units: int
    longest_hold: float
    """Seconds for which the stream stood still, of the unit with the longest."""
    seconds: float


def refill(
    spec: StreamSpec,
    table: Table,
    within: Range | None = None,
    *,
    on_progress: OnSnapshot = lambda progress: None,
    patience: float = 10.0,
    checkpoint: Checkpoint = lambda name: None,
    unit_bytes: int = REFILL_BYTES,
) -> Refilled:
    """Copy a target table's rows again, all or those of a key range (bounds as text, by the projection's key), and
    delete those that the source does not have. The stream must run: GateError when it does not reach a point."""
    began = time.monotonic()
    with (
        servers.connect(spec.source_dsn, "source", f"fig-snapshot {spec.name}") as monitor,
        servers.connect(spec.target_dsn, "target", f"fig-snapshot {spec.name}") as target,
        snapshot_record.alone(target, spec.name, patience),
    ):
        pairs = pairs_of(spec, table, monitor, target)
        attempt, units = _plan(spec, table, pairs, within or Range(), monitor, target, unit_bytes)
        counter = Counter(attempt.task, on_progress)
        for unit in units:
            counter.expect(str(table), unit.rows)
        checkpoint("planned")
        filler = Filler(spec, attempt, patience)
        rows, longest = 0, 0.0
        for unit in units:
            done, held = filler.at_a_point(lambda worker, unit=unit: _replace(worker, unit, counter))  # type: ignore[misc]
            rows, longest = rows + done, max(longest, held)
            counter.done(str(table), done)
            counter.tell()
            checkpoint("unit refilled")
        with target.transaction():
            snapshot_record.claim(target, attempt)
            snapshot_record.complete(target, attempt, None)
    return Refilled(rows, len(units), longest, time.monotonic() - began)


def pairs_of(
    spec: StreamSpec, table: Table, monitor: psycopg.Connection[Any], target: psycopg.Connection[Any]
) -> tuple[Pair, ...]:
    """What fills this target table of a stream that is set up."""
    if position.read(target, spec.name) is None:
        raise NotSetUp(spec.name)
    filled = [filling for filling in image.fillings(spec.projections) if filling.target == table]
    if not filled:
        raise SetUpError(f"stream {spec.name} fills no table {table}", "Name one of the lens's target tables")
    require_every_row(monitor, "source", spec.source_tables)
    require_every_row(target, "target", [table])
    return snapshot_plan.pairs(filled, monitor, target)


class Filler:
    """Does pieces of work at exact points, one after the other, for one attempt."""

    def __init__(self, spec: StreamSpec, attempt: Attempt, patience: float) -> None:
        self._spec = spec
        self._attempt = attempt
        self._patience = patience

    def at_a_point(self, act: Callable[[Worker], int]) -> tuple[int, float]:
        """(what `act` returns, seconds for which the stream stood). `act` runs in the fenced transaction."""
        for left in reversed(range(TRIES)):
            try:
                return self._once(act)
            except (PositionMoved, psycopg.errors.DeadlockDetected):
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _once(self, act: Callable[[Worker], int]) -> tuple[int, float]:
        spec = self._spec
        with closing(connect_target(spec, 0, self._patience)) as writing:
            return self._act(act, writing, guard_of(spec, writing))

    def _act(
        self, act: Callable[[Worker], int], writing: psycopg.Connection[Any], guard: str | None
    ) -> tuple[int, float]:
        spec = self._spec
        with (
            closing(connect_source(spec)) as reading,
            standing(spec.source_dsn, spec.target_dsn, spec.name, self._patience) as stand,
        ):
            began = time.monotonic()
            see(reading, stand.snapshot)
            work = Work(spec, self._attempt, guard, parse_lsn(stand.point), threading.Event())
            worker = Worker(work, reading, writing)
            with worker.transaction():
                _require_standing(writing, spec.name, stand.applied)
                done = act(worker)
            return done, time.monotonic() - began


def _require_standing(target: psycopg.Connection[Any], stream: str, applied: str) -> None:
    """The position is where the applier says that it stands, and stays there until this transaction has ended."""
    row = target.execute("select lsn::text from fig.position where stream = %s for share", [stream]).fetchone()
    if row is None:
        raise NotSetUp(stream)
    if parse_lsn(row[0]) != parse_lsn(applied):
        raise PositionMoved(stream)


def _replace(worker: Worker, unit: Unit, counter: Counter) -> int:
    return worker.replace(unit, lambda size: counter.copied(str(unit.pair.filling.target), size))


def _plan(
    spec: StreamSpec,
    table: Table,
    pairs: Sequence[Pair],
    within: Range,
    monitor: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    unit_bytes: int,
) -> tuple[Attempt, list[Unit]]:
    """What is left of the same refill that died, or all of a new one."""
    lens = image.lens_of(_projections(pair.filling for pair in pairs))
    with target.transaction():
        open_units = snapshot_record.unfinished(target, spec.name, str(table), within, lens)
        attempt = snapshot_record.begin(target, spec.name, str(table))
        if open_units is not None:
            by_number = {pair.number: pair for pair in pairs}
            return attempt, [Unit(by_number[f], number, within, 0) for f, number, within in open_units]
        units = [cut for pair in pairs for cut in snapshot_plan.units(pair, monitor, unit_bytes, within)]
        snapshot_record.plan(target, attempt, units, within, lens)
    return attempt, units


def _projections(fillings: Iterable[Filling]) -> list[Any]:
    return [projection for filling in fillings for projection in (filling.primary, *filling.parts)]
