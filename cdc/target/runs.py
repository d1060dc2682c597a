"""Changes in commit order to batches of equal ones. Pure.

The order is kept for each target table on its own, and in a pivoted one for each label's rows: nobody can see the
order between tables inside a transaction, and foreign keys are not checked for a replica. So one wide source row that
fills two tables still makes long runs in both. No statement finds a row twice, or one that it has made itself, so the
order inside of it, or between labels, matters to a unique constraint at most; then the target refuses it, and it is
done again by way of a table without constraints (`cdc.target.parking`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from cdc.projection import Table
from cdc.target.statements import BATCHES, Shape

MOST_PARAMETERS = 65535
"""Of one statement, says the protocol."""

Params = Sequence[Any]
"""bytes or None, in the order of the statement's placeholders."""
RowKey: TypeAlias = Hashable
"""The value of a key's only column, else a tuple of its columns' values."""

Change: TypeAlias = tuple[Shape, Params, RowKey | None, RowKey | None]
"""One change of one target row: its shape, its values, the row it finds (None for an insert), and the row that there
is afterwards, where it has another key (None also for an insert, where the target's own key decides). A plain tuple,
because there is one for every row."""


class Batch(NamedTuple):
    """One statement."""

    shape: Shape
    rows: int
    params: Params

    @property
    def target(self) -> Table:
        return self.shape.target


class _Run:
    """Consecutive changes of one table that fit into one statement."""

    __slots__ = ("found", "made", "rows", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rows: list[Params] = []
        self.found: set[RowKey] = set()
        self.made: set[RowKey] = set()

    def finds(self, found: RowKey, made: RowKey | None) -> bool:
        """A statement finds rows as they were before it: neither twice nor by a key that it has made.

        A key that it has found may be made again by a later row: a chain of moved keys is one statement.
        """
        return found not in self.found and not (self.made and (found in self.made or made in self.made))

    def batches(self) -> Iterator[Batch]:
        start, rows = 0, self.rows
        while start < len(rows):
            most = min(len(rows) - start, MOST_PARAMETERS // self.shape.width)
            size = next(size for size in BATCHES if size <= most)
            yield Batch(self.shape, size, list(chain.from_iterable(rows[start : start + size])))
            start += size


class Runs:
    """The open run of each target table, or of each label's rows in it. At most `longest` rows are kept of each."""

    def __init__(self, longest: int = BATCHES[0]) -> None:
        self._runs: dict[str, _Run] = {}
        self.longest = longest

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, change: Change) -> Iterable[Batch]:
        """Take one change; gives back what has to go out before it or is full with it."""
        shape, params, found, made = change
        ended: Iterable[Batch] = ()
        place = shape.place
        run = self._runs.get(place)
        if run is None:
            run = self._runs[place] = _Run(shape)
        elif run.shape is not shape or (found is not None and not run.finds(found, made)):
            ended = run.batches()
            run = self._runs[place] = _Run(shape)
        rows = run.rows
        rows.append(params)
        if found is not None:
            run.found.add(found)
            if made is not None:
                run.made.add(made)
        if len(rows) >= self.longest:
            del self._runs[place]
            return (*ended, *run.batches())
        return ended

    def close(self) -> Iterable[Batch]:
        """Everything that is left."""
        runs, self._runs = self._runs, {}
        return [batch for run in runs.values() for batch in run.batches()]
