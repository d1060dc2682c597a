"""The SQL that changes target rows. Pure: shapes in, text out.

Every statement is wrapped so that the target itself refuses to commit when it changed another number of rows
than it names. Each value is cast to its column's type without the modifier (`cdc.projection` says why), inside
the statement's own VALUES list, so that placeholders can stay untyped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cdc.projection import Column, Labels, Table, quoted

BATCHES = (64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement: few sizes, so that all of them stay prepared."""


class Op(StrEnum):
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    PUT = "put"
    """The row as it is now, whether it was there or not: a source row tells its optional part no more."""
    DISCARD = "discard"
    """A row that may not be there."""


@dataclass(frozen=True)
class Cell:
    """One target column and what it gets: an expression over source columns, or over none (a literal)."""

    column: Column
    type_name: str

    @property
    def target(self) -> str:
        return quoted(self.column.target)

    def sql(self, first: int) -> str:
        """The value, its parameters numbered from `first`. No parameter serves two cells: types would clash."""
        references = {name: f"${first + i}" for i, name in enumerate(self.column.sources)}
        return f"CAST({self.column.sql(references)} AS {self.type_name})"


@dataclass(frozen=True, eq=False)
class Shape:
    """All changes that differ only in their values. Compared by identity: whoever makes shapes keeps them."""

    op: Op
    target: Table
    cells: tuple[Cell, ...]
    """Written (insert, update)."""
    keys: tuple[Cell, ...]
    """What finds the row (update, delete)."""
    labels: Labels = ()
    """The only rows of the target that this can be about."""
    whole: bool = False
    """Any one row that has all these values, as text: there is no key, or several rows have the same for a while."""
    near: tuple[str, ...] = ()
    """Of `whole`: key columns that an index may look up first."""
    compares: bool = False
    """The keys hold a column that should have stayed as it is, because no UPDATE may set it."""

    place: str = field(init=False)
    """Changes of different places do not wait for each other. A text, because it is looked up for every row."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", f"{self.target.quoted} {self.labels}")

    @property
    def width(self) -> int:
        """Parameters of one row."""
        keys = () if self.op is Op.PUT else self.keys
        return sum(len(cell.column.sources) for cell in (*self.cells, *keys))

    def __str__(self) -> str:
        columns = ", ".join(cell.column.target for cell in self.cells)
        keys = ", ".join(cell.column.target for cell in self.keys)
        return f"{self.op} of {self.target}" + (f" by {keys}" if keys else "") + (f" ({columns})" if columns else "")


def statement(shape: Shape, rows: int) -> str:
    """The statement that makes `rows` changes of this shape, and no other number of them."""
    if shape.op is Op.DISCARD:
        return removal(shape, rows)
    build = {Op.INSERT: _insert, Op.UPDATE: _update, Op.DELETE: removal, Op.PUT: _put}[shape.op]
    return (
        f"WITH changed AS ({build(shape, rows)} RETURNING 1)"  # noqa: S608  Names are quoted, values parameters.
        f" SELECT fig.expect_rows(count(*), {rows}) FROM changed"
    )


def delete_all(target: Table) -> str:
    """For TRUNCATE on the source. Not TRUNCATE here: tables of other domains may refer to this one, and
    snapshots taken for verification must go on seeing the rows."""
    return f"DELETE FROM {target.quoted}"  # noqa: S608


def reset_all(target: Table, reset: Mapping[str, str]) -> str:
    """For TRUNCATE of a source table that fills only part of the target's columns."""
    assignments = ", ".join(f"{quoted(column)} = {literal}" for column, literal in reset.items())
    return f"UPDATE {target.quoted} SET {assignments}"  # noqa: S608


def _row(cells: tuple[Cell, ...], first: int) -> str:
    values = []
    for cell in cells:
        values.append(cell.sql(first))
        first += len(cell.column.sources)
    return ", ".join(values)


def _values(shape: Shape, cells: tuple[Cell, ...], rows: int) -> str:
    return ", ".join(f"({_row(cells, 1 + row * shape.width)})" for row in range(rows))


def _insert(shape: Shape, rows: int) -> str:
    columns = ", ".join(cell.target for cell in shape.cells)
    return (
        f"INSERT INTO {shape.target.quoted} ({columns}) OVERRIDING SYSTEM VALUE"  # noqa: S608
        f" VALUES {_values(shape, shape.cells, rows)}"
    )


def _put(shape: Shape, rows: int) -> str:
    keys = {key.target for key in shape.keys}
    sets = ", ".join(f"{cell.target} = excluded.{cell.target}" for cell in shape.cells if cell.target not in keys)
    written = Shape(Op.INSERT, shape.target, shape.cells, ())
    return f"{_insert(written, rows)} ON CONFLICT ({', '.join(sorted(keys))}) DO UPDATE SET {sets}"


def _update(shape: Shape, rows: int) -> str:
    cells = (*shape.cells, *shape.keys)
    written = len(shape.cells)
    assignments = ", ".join(f"{cell.target} = v.c{i}" for i, cell in enumerate(shape.cells))
    return (
        f"UPDATE {shape.target.quoted} t SET {assignments}"  # noqa: S608
        f" FROM (VALUES {_values(shape, cells, rows)}) v({_names(len(cells))}){_found(shape, written)}"
    )


def removal(shape: Shape, rows: int) -> str:
    """The deletion of `rows` rows that the shape's keys find; the table goes by the name `t`."""
    return (
        f"DELETE FROM {shape.target.quoted} t"  # noqa: S608
        f" USING (VALUES {_values(shape, shape.keys, rows)}) v({_names(len(shape.keys))}){_found(shape, 0)}"
    )


def _names(count: int) -> str:
    return ", ".join(f"c{i}" for i in range(count))


def _found(shape: Shape, first: int) -> str:
    if not shape.whole:
        return " WHERE " + " AND ".join(f"t.{key.target} = v.c{first + i}" for i, key in enumerate(shape.keys))
    # Texts, because not every type has equality, and equal values may be written differently (1.0 and 1.00).
    numbered = [(key, f"v.c{first + i}") for i, key in enumerate(shape.keys)]
    near = [f"x.{key.target} = {value}" for key, value in numbered if key.column.target in shape.near]
    same = " AND ".join(
        [*near]
        + [
            f'(x.{key.target}::text COLLATE "C") IS NOT DISTINCT FROM ({value}::text COLLATE "C")'
            for key, value in numbered
        ]
    )
    return (
        f", LATERAL (SELECT x.tableoid, x.ctid FROM {shape.target.quoted} x WHERE {same} LIMIT 1) f"  # noqa: S608
        " WHERE t.ctid = f.ctid AND t.tableoid = f.tableoid"
    )
