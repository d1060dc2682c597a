"""One monolith table seen as service tables, and the projections that follow from it. No IO."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cdc.lens.combinators import Combinator, Constant, Rename
from cdc.projection import Column, Direction, Labels, Projection, Role, Table


@dataclass(frozen=True)
class Mapped:
    """One service column and what it is made of."""

    service: str
    combinator: Combinator
    absent: tuple[str | None, ...] = ()
    """In a part: the monolith columns' values while the part's row does not exist; None is NULL."""


@dataclass(frozen=True)
class ServiceTable:
    """One table on the service's side that takes (a part of) the monolith's row."""

    table: Table
    columns: tuple[Mapped, ...]
    labels: Labels = ()
    """Of a slice: the discriminators, service column and label, of the table's rows that it stands for. A pivoted
    table is as many slices as it has labels; each one is a part that has some rows of that table only."""
    only_with: str | None = None
    """A part's row exists while this monolith column is not NULL; None: while the monolith's row does."""

    def key(self, monolith_key: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """(monolith column, service column) for each key column that this table has by rename."""
        renamed = {m.combinator.column: m.service for m in self.columns if isinstance(m.combinator, Rename)}
        return tuple((column, renamed[column]) for column in monolith_key if column in renamed)


@dataclass(frozen=True)
class TableLens:
    """One monolith table, its identity, and its service tables: the primary one, then the parts."""

    monolith: Table
    key: tuple[str, ...]
    service: tuple[ServiceTable, ...]
    monolith_only: tuple[tuple[str, Constant], ...] = ()

    def projections(self, direction: Direction) -> Iterator[Projection]:
        if direction is Direction.TO_SERVICE:
            return (self._to_service(part) for part in self.service)
        return (self._to_monolith(number) for number in range(len(self.service)))

    def _to_service(self, part: ServiceTable) -> Projection:
        """Forward, each service row exists because the monolith's row does: all of them are primary."""
        columns = tuple(Column(m.service, m.combinator.columns, m.combinator.forward()) for m in part.columns)
        key = part.key(self.key)
        return Projection(
            self.monolith, part.table, key, columns, Role.PRIMARY, (), only_with=part.only_with, pinned=part.labels
        )

    def _to_monolith(self, number: int) -> Projection:
        part = self.service[number]
        key = tuple((service, monolith) for monolith, service in part.key(self.key))
        columns = tuple(
            Column(column, (m.service,), expression)
            for m in part.columns
            for column, expression in m.combinator.backward(m.service)
        )
        if number > 0:
            absent = tuple(_absent(part))
            return Projection(part.table, self.monolith, key, columns, Role.PART, absent, only=part.labels)
        columns += tuple(Column(name, (), constant.forward()) for name, constant in self.monolith_only)
        reset = tuple(pair for other in self.service[1:] for pair in _absent(other))
        return Projection(part.table, self.monolith, key, columns, Role.PRIMARY, reset)


def _absent(part: ServiceTable) -> Iterator[tuple[str, str]]:
    for mapped in part.columns:
        for column, value in zip(mapped.combinator.columns, mapped.absent, strict=False):
            yield column, "NULL" if value is None else "'" + value.replace("'", "''") + "'"
