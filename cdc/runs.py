"""Changes in commit order to batches of equal ones. Pure.

The order is kept for each target table on its own, and in a pivoted one for each label's rows: nobody can see the
order between tables inside a transaction, and foreign keys are not checked for a replica. So one wide source row that
fills two tables still makes long runs in both. No statement finds a row twice, so the order inside of it, or between
labels, matters to a unique constraint at most; then the target refuses it, and it is done again row by row
(`cdc.stream`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from cdc.projection import Labels, Table
from cdc.statements import BATCHES, Shape

MOST_PARAMETERS = 65535
"""Of one statement, says the protocol."""

Params = Sequence[Any]
"""bytes or None, in the order of the statement's placeholders."""
RowKey = tuple[Any, ...]


class Change(NamedTuple):
    """One change of one target row."""

    shape: Shape
    params: Params
    keys: tuple[RowKey, ...]
    """The rows it finds or makes; empty for an insert, where the target's own key decides."""


class Batch(NamedTuple):
    """One statement."""

    shape: Shape
    rows: int
    params: Params


class _Run:
    """Consecutive changes of one table that fit into one statement."""

    __slots__ = ("keys", "rows", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rows: list[Params] = []
        self.keys: set[RowKey] = set()

    def batches(self) -> Iterator[Batch]:
        start, rows = 0, self.rows
        while start < len(rows):
            most = min(len(rows) - start, MOST_PARAMETERS // self.shape.width)
            size = next(size for size in BATCHES if size <= most)
            yield Batch(self.shape, size, [value for row in rows[start : start + size] for value in row])
            start += size


class Runs:
    """The open run of each target table, or of each label's rows in it. At most `longest` rows are kept of each."""

    def __init__(self, longest: int = BATCHES[0]) -> None:
        self._runs: dict[tuple[Table, Labels], _Run] = {}
        self._longest = longest

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, change: Change) -> Iterable[Batch]:
        """Take one change; gives back what has to go out before it or is full with it."""
        shape, params, keys = change
        ended: Iterable[Batch] = ()
        place = shape.target, shape.labels
        run = self._runs.get(place)
        if run is None:
            run = self._runs[place] = _Run(shape)
        elif run.shape is not shape or not run.keys.isdisjoint(keys):
            ended = run.batches()
            run = self._runs[place] = _Run(shape)
        run.rows.append(params)
        if keys:
            run.keys.update(keys)
        if len(run.rows) >= self._longest:
            del self._runs[place]
            return (*ended, *run.batches())
        return ended

    def close(self) -> Iterable[Batch]:
        """Everything that is left."""
        runs, self._runs = self._runs, {}
        return [batch for run in runs.values() for batch in run.batches()]
