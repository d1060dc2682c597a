"""Bindings of a pivoted source: each takes the rows with its labels; a row that none of them takes is refused. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from cdc.message_errors import UnknownLabel
from cdc.messages import Delete, Insert, OldRow, Relation, Row, Update
from cdc.projection import Labels, Projection, Table
from cdc.target.binding import Binding, ColumnTypes, Gone, filled
from cdc.target.runs import Change
from cdc.target.whole_rows import WholeRows, is_simple


class Bound(Protocol):
    """What a row of one relation does to one target."""

    def insert(self, message: Insert, gone: Gone) -> Iterable[Change]: ...

    def update(self, message: Update, gone: Gone) -> Iterable[Change]: ...

    def delete(self, message: Delete, gone: Gone) -> Iterable[Change]: ...


class Slice:
    """A binding for the rows with certain labels. Labels are in the key, so an old row always has them."""

    def __init__(self, binding: Binding, takes: Callable[[Row], bool]) -> None:
        self._binding = binding
        self._takes = takes

    def insert(self, message: Insert, gone: Gone) -> Iterable[Change]:
        return self._binding.insert(message, gone) if self._takes(message.new) else ()

    def update(self, message: Update, gone: Gone) -> Iterable[Change]:
        """A row that gets other labels leaves one slice and comes to another one."""
        is_here = self._takes(message.new)
        was_here = is_here if message.old_is is OldRow.ABSENT else self._takes(message.old)
        if was_here and is_here:
            return self._binding.update(message, gone)
        if was_here:
            return self._binding.delete(Delete(message.relation, message.old_is, message.old), gone)
        if is_here:
            new = filled(message)
            self._binding.require_whole(new)
            return self._binding.insert(Insert(message.relation, new), gone)
        return ()

    def delete(self, message: Delete, gone: Gone) -> Iterable[Change]:
        return self._binding.delete(message, gone) if self._takes(message.old) else ()


class Strays:
    """Stops the stream at a row that no slice takes: it would be lost silently."""

    def __init__(self, relation: str, labels: Sequence[Labels], takers: Sequence[Callable[[Row], bool]]) -> None:
        self._relation = relation
        self._columns = [name for name, _label in labels[0]]
        self._takers = takers

    def insert(self, message: Insert, gone: Gone) -> Iterable[Change]:
        return self._require(message.new)

    def update(self, message: Update, gone: Gone) -> Iterable[Change]:
        return self._require(message.new)

    def delete(self, message: Delete, gone: Gone) -> Iterable[Change]:
        return ()

    def _require(self, row: Row) -> Iterable[Change]:
        if not any(takes(row) for takes in self._takers):
            raise UnknownLabel(self._relation, self._columns)
        return ()


def bind(
    relation: Relation,
    projections: Sequence[Projection],
    targets: Mapping[Table, ColumnTypes],
    fixed: Mapping[Table, Collection[str]],
    parked: Collection[Table] = (),
) -> tuple[Bound, ...]:
    """The relation's bindings, one for each projection that reads it."""
    source = Table(relation.schema, relation.name)
    readers = [p for p in projections if p.source == source]
    bound: list[Bound] = []
    takers = []
    for projection in readers:
        if not projection.key or (projection.target in parked and _by_whole_rows(relation, projection, projections)):
            bound.append(WholeRows(relation, projection, targets[projection.target]))
            continue
        binding = Binding(relation, projection, targets[projection.target], fixed.get(projection.target, ()))
        if projection.only:
            takers.append(_taker(relation, projection.only))
            bound.append(Slice(binding, takers[-1]))
        else:
            bound.append(binding)
    if takers and len(takers) == len(readers):
        bound.append(Strays(str(source), [p.only for p in readers], takers))
    return tuple(bound)


def _by_whole_rows(relation: Relation, projection: Projection, projections: Sequence[Projection]) -> bool:
    """Whether old rows say all, so that keys may be exchanged: PostgreSQL has no other identity for deferred keys."""
    is_alone = [p.target for p in projections].count(projection.target) == 1
    return relation.identity == "f" and is_alone and is_simple(projection)


def _taker(relation: Relation, labels: Labels) -> Callable[[Row], bool]:
    index = {column.name: i for i, column in enumerate(relation.columns)}
    wanted = [(index[name], label.encode()) for name, label in labels]
    return lambda row: all(row[i] == label for i, label in wanted)
