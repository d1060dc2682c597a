"""Rows of one target table on their way past its constraints. Pure, but for reading what the table looks like.

A source may exchange unique values, or move keys onto each other, in one statement (a deferred constraint allows it),
and a lens may bring such rows in another order than the source made them; the target then refuses each single step.
A table that did is parked from there on: every row that a transaction touches goes to a temporary copy without
constraints, is changed there, and comes back as a whole before the commit. Values that were not sent travel with it.
An identity that is `generated always` can be changed in no other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import psycopg

from cdc.projection import Table, quoted
from cdc.target.runs import Batch, Params
from cdc.target.statements import Op, Shape, removal, statement

_COLUMNS = """
    select a.attname, a.attgenerated <> '', a.attidentity <> '', pg_get_serial_sequence(%(table)s, a.attname)
    from pg_attribute a where a.attrelid = to_regclass(%(table)s) and a.attnum > 0 and not a.attisdropped
    order by a.attnum
"""

_KEY = """
    select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indrelid = to_regclass(%s) and i.indisprimary
"""


@dataclass(frozen=True)
class ParkedRows:
    """What comes back before the commit, for messages."""

    target: Table

    def __str__(self) -> str:
        return f"rows of {self.target} as their transaction leaves them"


class Step(NamedTuple):
    """One prepared statement of a batch and the values it takes."""

    name: tuple[Shape, int, int]
    sql: str
    params: Params


class Parking:
    """The temporary copy of one table. It is empty between transactions."""

    def __init__(self, connection: psycopg.Connection[Any], table: Table, number: int) -> None:
        """Makes the copy; belongs to the session of `connection`."""
        self.about = ParkedRows(table)
        self.copy = Table("pg_temp", f"fig_parked_{number}")
        self._table = table
        self._shapes: dict[Shape, tuple[Shape, Shape]] = {}
        columns = connection.execute(_COLUMNS, {"table": table.quoted}).fetchall()
        key = [quoted(name) for (name,) in connection.execute(_KEY, [table.quoted]).fetchall()]
        for sql in _make(table, self.copy, columns, key):
            connection.execute(sql.encode())
        names = ", ".join(quoted(name) for name, is_generated, *_ in columns if not is_generated)
        self.back = (
            f"INSERT INTO {table.quoted} ({names}) OVERRIDING SYSTEM VALUE"  # noqa: S608  Names are quoted.
            f" SELECT {names} FROM {self.copy.quoted}"
        )

    def steps(self, batch: Batch) -> Iterator[Step]:
        """Fetch the rows that the batch is about, then change the copy."""
        shape, rows, params = batch.shape, batch.rows, batch.params
        there, keys = self._shapes.get(shape) or self._shapes.setdefault(shape, self._parked(shape))
        if shape.op is Op.INSERT:
            yield Step((shape, rows, 0), statement(there, rows), params)
            return
        found = key_params(shape, rows, params)
        # All columns by `*`: a table that has got one since the copy was made refuses this, and loses nothing.
        sql = (
            f"WITH gone AS ({removal(keys, rows)} RETURNING t.*)"  # noqa: S608
            f" INSERT INTO {self.copy.quoted} SELECT * FROM gone"
        )
        yield Step((shape, rows, 0), sql, found)
        if shape.op is Op.PUT:
            gone = replace(keys, target=self.copy)
            yield Step((shape, rows, 1), removal(gone, rows), found)
            there = replace(there, op=Op.INSERT, keys=())
        yield Step((shape, rows, 2), statement(there, rows), params)

    def of_copy(self, sql: str) -> str:
        """A statement about all rows of the table, made one about the copy."""
        return sql.replace(self._table.quoted, self.copy.quoted, 1)

    def _parked(self, shape: Shape) -> tuple[Shape, Shape]:
        """The shape over the copy, and the one that finds its rows in the table."""
        return replace(shape, target=self.copy), Shape(
            Op.DELETE, self._table, (), shape.keys, whole=shape.whole, near=shape.near
        )


def key_params(shape: Shape, rows: int, params: Params) -> list[Any]:
    """Only the values that find the rows."""
    width = shape.width
    places = _key_places(shape)
    return [params[row * width + place] for row in range(rows) for place in places]


def _key_places(shape: Shape) -> Sequence[int]:
    """Where the key's parameters are in a row's; those of PUT are among the values written."""
    if shape.op is not Op.PUT:
        written = sum(len(cell.column.sources) for cell in shape.cells)
        return range(written, shape.width)
    first, places = 0, {}
    for cell in shape.cells:
        places[cell.column.target] = range(first, first + len(cell.column.sources))
        first += len(cell.column.sources)
    return [place for key in shape.keys for place in places[key.column.target]]


def _make(table: Table, copy: Table, columns: Sequence[tuple[Any, ...]], key: Sequence[str]) -> Iterator[str]:
    """The copy takes every row that the table has, and gives columns that nobody writes what the table would."""
    yield f"CREATE TEMP TABLE {quoted(copy.name)} (LIKE {table.quoted} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
    for name, is_generated, is_identity, sequence in columns:
        if is_generated or is_identity:
            yield f"ALTER TABLE {copy.quoted} ALTER {quoted(name)} DROP NOT NULL"
        if is_identity:
            literal = sequence.replace("'", "''")
            yield f"ALTER TABLE {copy.quoted} ALTER {quoted(name)} SET DEFAULT nextval('{literal}'::regclass)"
    if key:
        yield f"CREATE INDEX ON {copy.quoted} ({', '.join(key)})"
