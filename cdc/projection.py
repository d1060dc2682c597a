"""What a lens compiles to: how the rows of one table become (part of) the rows of another one.

A projection is used alike by snapshot, apply and verify, on either server, so its expressions keep
three rules:

- A placeholder may stand for a column of the source table or for an untyped parameter: expressions cast what
  they compute with. A column that is only renamed is the bare placeholder.
- An expression names no type that exists on one side only, so an enum comes out as text. Whoever writes the
  target casts each value to the target column's type *without its modifier*: `CAST(expression AS
  format_type(atttypid, -1))`. With the modifier, varchar(n) and char(n) would cut values silently.
- A value that the other side cannot represent makes the statement fail; it never becomes NULL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Direction(StrEnum):
    """Which way rows flow."""

    TO_SERVICE = "to_service"
    TO_MONOLITH = "to_monolith"


class Role(StrEnum):
    """What a source row means for the target row."""

    PRIMARY = "primary"
    """This source row's existence is the target row's existence."""

    PART = "part"
    """The target row exists because of another source table's row. INSERT and UPDATE set these columns,
    DELETE sets the `reset` values. A PART delete that finds no target row is fine: its primary row was
    deleted before it."""


def quoted(name: str) -> str:
    """An SQL identifier, always in quotes."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, order=True)
class Table:
    """A table by its full name."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Table:
        """`schema.table`, as plan files write it."""
        schema, dot, name = text.partition(".")
        if not (schema and dot and name):
            raise ValueError(f'"{text}" is not a table name: write schema.table')
        return cls(schema, name)

    @property
    def quoted(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


Labels: TypeAlias = tuple[tuple[str, str], ...]
"""(column, its label as text); which label is part of the table's key."""


def labelled(labels: Labels, of: str = "") -> str:
    """The condition that a row has these labels, whatever type and collation their columns have."""
    pairs = [(f"{of}{quoted(name)}", label.replace("'", "''")) for name, label in labels]
    return " AND ".join(f"{column}::text COLLATE \"C\" = '{label}'" for column, label in pairs)


@dataclass(frozen=True)
class Column:
    """One target column: an SQL expression over `{source column}` placeholders."""

    target: str
    sources: tuple[str, ...]
    expression: str

    def sql(self, references: Mapping[str, str]) -> str:
        """The expression with each placeholder replaced by what stands for that source column."""
        return self.expression.format_map(references)


@dataclass(frozen=True)
class Projection:
    """How rows of `source` make rows of `target`; `key` pairs the primary keys' columns (source, target)."""

    source: Table
    target: Table
    key: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    """Key columns included."""
    role: Role
    reset: tuple[tuple[str, str], ...]
    """(target column, SQL literal). PART: what a DELETE of the source row sets. PRIMARY: what an INSERT
    gives the columns that only parts fill."""
    only_with: str | None = None
    """PRIMARY: a source row makes a target row only while this source column is not NULL."""
    only: Labels = ()
    """The source rows that this is about; the others belong to other projections of the same source."""
    pinned: Labels = ()
    """What else finds the target row besides `key`: one value for all rows of this projection."""

    def select(self) -> str:
        """The source's rows as the target has them, for the source; outputs in the order of `columns`."""
        references = {name: quoted(name) for column in self.columns for name in column.sources}
        outputs = ", ".join(f"{column.sql(references)} AS {quoted(column.target)}" for column in self.columns)
        where = f" WHERE {condition}" if (condition := self.condition()) else ""
        return f"SELECT {outputs} FROM {self.source.quoted}{where}"  # noqa: S608  Every name is quoted.

    def condition(self, of: str = "") -> str:
        """Which source rows make a target row; empty for all."""
        present = [f"{of}{quoted(self.only_with)} IS NOT NULL"] if self.only_with else []
        return " AND ".join([*present, *filter(None, [labelled(self.only, of)])])
