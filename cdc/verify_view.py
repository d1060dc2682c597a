"""One side's rows of one projection, both sides alike: the SQL that chunks, hashes and shows them. No IO.

Both sides are seen in the service's image, whichever way rows flow: the monolith's rows through the forward
projection, the service's as they are. So one comparison, exact both ways, serves both directions; a part is a
table of its own here, so a part's row that is missing is a missing row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from cdc.catalogue import LiveTable
from cdc.projection import Projection, Table, labelled, quoted

Key: TypeAlias = tuple[str, ...]
"""A primary key's values as text."""

ROW = "r"
"""The table's alias in every statement."""


@dataclass(frozen=True)
class KeyColumn:
    """One column of the key and how it sorts: alike on two servers, whatever their collations and enums."""

    sql: str
    type_name: str
    collate: str

    @property
    def order(self) -> str:
        return f"{self.sql}::text{self.collate}" if self.collate else self.sql

    @property
    def value(self) -> str:
        return f"%s::{self.type_name}{self.collate}"


@dataclass(frozen=True)
class Range:
    """Rows with `after` < key <= `upto`; None is no bound."""

    after: Key | None = None
    upto: Key | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        return (self.after or ()) + (self.upto or ())


@dataclass(frozen=True)
class View:
    """The rows of one table as cells of text, in the order of the projection's columns."""

    table: Table
    key: tuple[KeyColumn, ...]
    cells: tuple[str, ...]
    nullable: tuple[bool, ...]
    """Which cells may be NULL on either side; the same for both views."""
    only: str = ""
    """The condition of the rows that this is about; empty for all."""

    def digest(self, within: Range) -> str:
        """Count and checksum. A sum, not xor: two equal rows would cancel each other out."""
        return f"SELECT count(*), coalesce(sum({self._hash}), 0) FROM {self._rows(within)}"  # noqa: S608

    def boundary(self, within: Range, rows: int) -> str:
        """The key of the last row of the next `rows` rows. An unqualified name in ORDER BY would mean the output,
        which is text."""
        order = ", ".join(column.order for column in self.key)
        return (
            f"SELECT {self._key_cells} FROM {self._rows(within)}"  # noqa: S608
            f" ORDER BY {order} LIMIT 1 OFFSET {rows - 1}"
        )

    def hashes(self, within: Range) -> str:
        """Each row's key and hash."""
        return f"SELECT {self._hash}, {self._key_cells} FROM {self._rows(within)}"  # noqa: S608

    def row(self) -> str:
        """The cells of the row with the given key."""
        found = " AND ".join([*(f"{column.order} = {column.value}" for column in self.key), *filter(None, [self.only])])
        return f"SELECT {', '.join(self.cells)} FROM {self._from} WHERE {found}"  # noqa: S608

    @property
    def _from(self) -> str:
        return f"{_safe(self.table.quoted)} {ROW}"

    @property
    def _hash(self) -> str:
        """Each cell's hash seeds the next one's: as exact as hashing the row's text, and twice as fast.

        By collation "C", because a nondeterministic one gives values that it calls equal the same hash.
        """
        chain = "0"
        for cell, nullable in zip(self.cells, self.nullable, strict=True):
            text = f"coalesce('+' || {cell}, '-')" if nullable else cell
            chain = f'hashtextextended({text} COLLATE "C", {chain})'
        return chain

    @property
    def _key_cells(self) -> str:
        return ", ".join(f"{column.sql}::text" for column in self.key)

    def _rows(self, within: Range) -> str:
        key = ", ".join(column.order for column in self.key)
        values = ", ".join(column.value for column in self.key)
        bounds = [(">", within.after), ("<=", within.upto)]
        conditions = [f"({key}) {operator} ({values})" for operator, bound in bounds if bound is not None]
        conditions += filter(None, [self.only])
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return self._from + where


def views(projection: Projection, monolith: LiveTable, service: LiveTable) -> tuple[View, View]:
    """The monolith's rows through the lens, and the service's as they are."""
    references = {name: f"{ROW}.{quoted(name)}" for column in projection.columns for name in column.sources}
    image = tuple(_safe(f"({column.sql(references)})::text") for column in projection.columns)
    plain = tuple(_safe(f"{ROW}.{quoted(column.target)}::text") for column in projection.columns)
    nullable = tuple(
        service.column(column.target).nullable or any(monolith.column(name).nullable for name in column.sources)
        for column in projection.columns
    )
    counts = _safe(projection.condition(f"{ROW}."))
    pinned = _safe(labelled(projection.pinned, f"{ROW}."))
    return (
        View(projection.source, _key(monolith, [source for source, _ in projection.key]), image, nullable, counts),
        View(projection.target, _key(service, [target for _, target in projection.key]), plain, nullable, pinned),
    )


def _key(live: LiveTable, names: list[str]) -> tuple[KeyColumn, ...]:
    return tuple(
        KeyColumn(_safe(f"{ROW}.{quoted(name)}"), "text", ' COLLATE "C"')
        if live.column(name).sorts_by_collation
        else KeyColumn(_safe(f"{ROW}.{quoted(name)}"), live.column(name).cast_type, "")
        for name in names
    )


def _safe(text: str) -> str:
    """For statements with parameters, where a percent sign must be doubled."""
    return text.replace("%", "%%")
