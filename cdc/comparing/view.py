"""One side's rows of one projection, both sides alike: the SQL that chunks, hashes and shows them. No IO.

Both sides are seen in the service's image, whichever way rows flow: the monolith's rows through the forward
projection, the service's as they are. So one comparison, exact both ways, serves both directions; a part is a
table of its own here, so a part's row that is missing is a missing row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

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
    """Rows with `after` < key <= `upto`; None is no bound. Of these, only some buckets, or only some keys."""

    after: Key | None = None
    upto: Key | None = None
    buckets: tuple[int, tuple[int, ...]] | None = None
    """(how many buckets there are, a power of two; those that are meant)"""
    keys: tuple[Key, ...] | None = None

    @property
    def parameters(self) -> tuple[Any, ...]:
        chosen = () if self.buckets is None else (list(self.buckets[1]),)
        named = () if self.keys is None else tuple(list(values) for values in zip(*self.keys, strict=True))
        return (*(self.after or ()), *(self.upto or ()), *chosen, *named)

    def only(self, of: int, buckets: tuple[int, ...]) -> Range:
        """The part of this range that falls into these buckets."""
        return replace(self, buckets=(of, buckets))


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
    joined: str = ""
    """LEFT JOINs of the tables that complete a row; they never make two of one."""
    outputs: tuple[str, ...] = ()
    """The values as the table's own types write them: what is copied. The text of char(n) would lose its blanks."""

    def digest(self, within: Range) -> str:
        """Count and checksum. A sum, not xor: two equal rows would cancel each other out."""
        return f"SELECT count(*), coalesce(sum({self._hash}), 0) FROM {self._rows(within)}"  # noqa: S608

    def digests(self, within: Range, buckets: int) -> str:
        """Count and checksum of each bucket that has rows."""
        return (
            f"SELECT {self._bucket(buckets)}, count(*), sum({self._hash}) FROM {self._rows(within)}"  # noqa: S608
            " GROUP BY 1"
        )

    def boundary(self, within: Range, rows: int) -> str:
        """The key of the last row of the next `rows` rows. An unqualified name in ORDER BY would mean the output,
        which is text."""
        return (
            f"SELECT {self._key_cells} FROM {self._rows(within)}"  # noqa: S608
            f" ORDER BY {self._order} LIMIT 1 OFFSET {rows - 1}"
        )

    def sample(self, percent: float, within: Range) -> str:
        """About so many of the keys, in order: whole pages, wherever they lie."""
        return (
            f"SELECT {self._key_cells} FROM {safe(self.table.quoted)} {ROW}"  # noqa: S608
            f" TABLESAMPLE SYSTEM ({percent:.9f}){self._where(within)} ORDER BY {self._order}"
        )

    def hashes(self, within: Range) -> str:
        """Each row's key and hash."""
        return f"SELECT {self._hash}, {self._key_cells} FROM {self._rows(within)}"  # noqa: S608

    def row(self) -> str:
        """The cells of the row with the given key."""
        found = " AND ".join([*(f"{column.order} = {column.value}" for column in self.key), *filter(None, [self.only])])
        return f"SELECT {', '.join(self.cells)} FROM {self._from} WHERE {found}"  # noqa: S608

    def keyed(self, more: str, within: Range) -> str:
        """Each row's key and what else is asked of it; `more` names the table `ROW`."""
        return f"SELECT {self._key_cells}, {safe(more)} FROM {self._rows(within)}"  # noqa: S608  Ours, no values.

    def copy(self, within: Range) -> str:
        """The rows as they are loaded on the other side."""
        return f"SELECT {', '.join(self.outputs)} FROM {self._rows(within)}"  # noqa: S608

    def delete(self, within: Range) -> str:
        """The rows away."""
        return f"DELETE FROM {self._rows(within)}"  # noqa: S608

    def exists(self) -> str:
        """Whether there is any row."""
        return f"SELECT EXISTS (SELECT FROM {self._rows(Range())})"  # noqa: S608

    @property
    def sorts_by_collation(self) -> bool:
        """No index helps to find a range of this key."""
        return bool(self.key and self.key[0].collate)

    @property
    def _from(self) -> str:
        return f"{safe(self.table.quoted)} {ROW}{self.joined}"

    @property
    def _order(self) -> str:
        return ", ".join(column.order for column in self.key)

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

    def _bucket(self, of: int) -> str:
        """By the key's text, so that it is the same on both sides, whatever the types and the order of columns."""
        chain = "0"
        for column in self.key:
            chain = f'hashtextextended({column.sql}::text COLLATE "C", {chain})'
        return f"({chain} & {of - 1})"

    @property
    def _key_cells(self) -> str:
        return ", ".join(f"{column.sql}::text" for column in self.key)

    def _rows(self, within: Range) -> str:
        return self._from + self._where(within)

    def _where(self, within: Range) -> str:
        values = ", ".join(column.value for column in self.key)
        bounds = [(">", within.after), ("<=", within.upto)]
        conditions = [f"({self._order}) {operator} ({values})" for operator, bound in bounds if bound is not None]
        if within.buckets is not None:
            conditions.append(f"{self._bucket(within.buckets[0])} = ANY(%s::bigint[])")
        if within.keys is not None:
            conditions.append(self._one_of)
        conditions += filter(None, [self.only])
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    @property
    def _one_of(self) -> str:
        """By the columns as they are, so that an index finds them; a collation may call other texts equal."""
        names = [f"k{i}" for i in range(len(self.key))]
        arrays = ", ".join("%s::text[]" for _ in names)
        wanted = ", ".join(f"{n}::{c.type_name}{c.collate}" for n, c in zip(names, self.key, strict=True))
        return f"({self._order}) IN (SELECT {wanted} FROM unnest({arrays}) named({', '.join(names)}))"  # noqa: S608


def views(projection: Projection, monolith: LiveTable, service: LiveTable) -> tuple[View, View]:
    """The monolith's rows through the lens, and the service's as they are."""
    references = {name: f"{ROW}.{quoted(name)}" for column in projection.columns for name in column.sources}
    image = tuple(safe(f"({column.sql(references)})::text") for column in projection.columns)
    plain = tuple(safe(f"{ROW}.{quoted(column.target)}::text") for column in projection.columns)
    nullable = tuple(
        service.column(column.target).nullable or any(monolith.column(name).nullable for name in column.sources)
        for column in projection.columns
    )
    counts = safe(projection.condition(f"{ROW}."))
    pinned = safe(labelled(projection.pinned, f"{ROW}."))
    return (
        View(
            projection.source, key_columns(monolith, [source for source, _ in projection.key]), image, nullable, counts
        ),
        View(
            projection.target, key_columns(service, [target for _, target in projection.key]), plain, nullable, pinned
        ),
    )


def key_columns(live: LiveTable, names: list[str]) -> tuple[KeyColumn, ...]:
    """The key's columns, for statements that name the table `ROW`."""
    return tuple(
        KeyColumn(safe(f"{ROW}.{quoted(name)}"), "text", ' COLLATE "C"')
        if live.column(name).sorts_by_collation
        else KeyColumn(safe(f"{ROW}.{quoted(name)}"), live.column(name).cast_type, "")
        for name in names
    )


def safe(text: str) -> str:
    """For statements with parameters, where a percent sign must be doubled."""
    return text.replace("%", "%%")
