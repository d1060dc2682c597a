"""Changes in commit order to batches of equal ones. Pure.

The order is kept for each target table on its own: nobody can see the order between tables inside a
transaction, and foreign keys are not checked for a replica. So one wide source row that fills two tables still
makes long runs in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cdc.projection import Table
from cdc.statements import BATCHES, Shape

MOST_PARAMETERS = 65535
"""Of one statement, says the protocol."""

Params = list[bytes | None]
RowKey = tuple[bytes | None, ...]


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

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rows: list[Params] = []
        self.keys: set[RowKey] = set()

    def takes(self, change: Change) -> bool:
        return change.shape is self.shape and self.keys.isdisjoint(change.keys)

    def batches(self) -> Iterator[Batch]:
        start, rows = 0, self.rows
        while start < len(rows):
            most = 1 if self.shape.one_by_one else min(len(rows) - start, MOST_PARAMETERS // self.shape.width)
            size = next(size for size in BATCHES if size <= most)
            yield Batch(self.shape, size, [value for row in rows[start : start + size] for value in row])
            start += size


class Runs:
    """The open run of each target table. At most `longest` rows are kept of each."""

    def __init__(self, longest: int = BATCHES[0]) -> None:
        self._runs: dict[Table, _Run] = {}
        self._longest = longest

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, change: Change) -> Iterator[Batch]:
        """Take one change; gives back what has to go out before it or is full with it."""
        run = self._runs.get(change.shape.target)
        if run is None or not run.takes(change):
            if run is not None:
                yield from run.batches()
            run = self._runs[change.shape.target] = _Run(change.shape)
        run.rows.append(change.params)
        run.keys.update(change.keys)
        if len(run.rows) == self._longest:
            del self._runs[change.shape.target]
            yield from run.batches()

    def close(self) -> Iterator[Batch]:
        """Everything that is left."""
        for run in self._runs.values():
            yield from run.batches()
        self._runs.clear()
