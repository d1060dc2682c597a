"""Rows that differ, put right: named by cause, copied again at an exact point, and looked at again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg

from cdc import position, servers
from cdc.comparing import evidence
from cdc.comparing.causes import Cause, Named
from cdc.comparing.compare import compare
from cdc.comparing.difference import Difference
from cdc.comparing.evidence import Place
from cdc.comparing.view import Range
from cdc.copying import image, snapshot_plan, snapshot_record
from cdc.copying.refill import Filler
from cdc.copying.snapshot_plan import Unit
from cdc.copying.snapshot_record import Attempt
from cdc.copying.snapshot_worker import Worker
from cdc.gate.exact import exact_pair
from cdc.projection import Direction, Projection
from cdc.spec import StreamSpec
from cdc.stream_errors import NotSetUp

REPAIR = "repair"
"""The task by which a target remembers it."""
ROWS_AT_A_POINT = 1000


@dataclass(frozen=True)
class Repaired:
    """What came of it."""

    named: tuple[Named, ...]
    """All differences that were asked for, by cause."""
    rows: int
    """Target rows that were deleted and copied again."""
    remaining: tuple[Difference, ...]
    """What differs in these rows all the same."""
    longest_hold: float
    """Seconds for which the stream stood still."""

    def as_json(self) -> dict[str, object]:
        return {
            "named": [one.as_json() for one in self.named], "rows": self.rows,
            "remaining": [one.as_json() for one in self.remaining], "longest_hold": self.longest_hold,
        }  # fmt: skip


def explain(
    spec: StreamSpec,
    projections: Sequence[Projection],
    direction: Direction,
    differences: Iterable[Difference],
    patience: float = 10.0,
) -> tuple[Named, ...]:
    """Each difference by its cause, with the evidence; nothing is changed. `projections` are those TO_SERVICE."""
    found = tuple(differences)
    if not found:
        return ()
    places = evidence.placed(spec, projections, direction, found)
    with exact_pair(spec.source_dsn, spec.target_dsn, spec.name, patience) as pair:
        again = compare(pair.source, pair.target, projections, direction, among=found, limit=2 * len(found))
        return evidence.named(spec, pair.source, pair.target, places, again.differences)


def repair(
    spec: StreamSpec,
    projections: Sequence[Projection],
    direction: Direction,
    differences: Iterable[Difference],
    patience: float = 10.0,
) -> Repaired:
    """Copy the rows concerned again, and only these, while the stream runs. What was on its way is left alone."""
    named = explain(spec, projections, direction, differences, patience)
    wrong = [one.difference for one in named if one.cause is not Cause.LAG]
    if not wrong:
        return Repaired(named, 0, (), 0.0)
    rows = list(dict.fromkeys(s.place for s in evidence.placed(spec, projections, direction, wrong).values()))
    longest = _copy_again(spec, rows, patience)
    with exact_pair(spec.source_dsn, spec.target_dsn, spec.name, patience) as pair:
        left = compare(pair.source, pair.target, projections, direction, among=wrong, limit=2 * len(wrong))
    return Repaired(named, len(rows), left.differences, longest)


def _copy_again(spec: StreamSpec, rows: Sequence[Place], patience: float) -> float:
    """The longest hold."""
    with (
        servers.connect(spec.source_dsn, "source", f"fig-snapshot {spec.name}") as monitor,
        servers.connect(spec.target_dsn, "target", f"fig-snapshot {spec.name}") as target,
        snapshot_record.alone(target, spec.name, patience),
    ):
        if position.read(target, spec.name) is None:
            raise NotSetUp(spec.name)
        pairs = snapshot_plan.pairs(image.fillings(spec.projections), monitor, target)
        with target.transaction():
            attempt = snapshot_record.begin(target, spec.name, REPAIR)
        longest, left = 0.0, iter(rows)
        while some := list(islice(left, ROWS_AT_A_POINT)):
            units = [
                Unit(pair, 0, Range(keys=keys) if pair.source.key else Range(), len(keys))
                for pair in pairs
                if (keys := tuple(key for number, key in some if number == pair.number))
            ]
            filler = Filler(spec, attempt, patience)
            _done, held = filler.at_a_point(lambda worker, units=units: _replace(worker, units))  # type: ignore[misc]
            longest = max(longest, held)
        _finish(target, attempt)
    return longest


def _replace(worker: Worker, units: Sequence[Unit]) -> int:
    """All away before any comes back: rows may have changed places in a unique key."""
    for unit in units:
        worker.delete(unit, unit.within)
    return sum(worker.load(unit, unit.within, lambda size: None)[0] for unit in units)


def _finish(target: psycopg.Connection[Any], attempt: Attempt) -> None:
    with target.transaction():
        snapshot_record.claim(target, attempt)
        snapshot_record.complete(target, attempt, None)
