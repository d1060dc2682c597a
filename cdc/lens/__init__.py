"""The lens: how monolith rows become service rows and back, compiled to SQL both ways.

combinators (what a column may be) → mapping (tables, projections) → parse (plan file) → check (live catalogues)

A `pivot` turns columns into rows; `parse_pivot` says how a plan writes it and what it asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from cdc.errors import LensError
from cdc.lens.check import LensProblem, check_table
from cdc.lens.evidence import Evidence
from cdc.lens.mapping import TableLens
from cdc.lens.parse import Parser
from cdc.projection import Direction, Projection, Table

__all__ = ["Lens", "LensProblem"]


@dataclass(frozen=True)
class Lens:
    """All tables of one domain."""

    table_lenses: tuple[TableLens, ...]

    @classmethod
    def parse(cls, tables: Iterable[object]) -> Lens:
        """The plan's `tables`. Raises LensError with every problem that shows without a database."""
        parser = Parser()
        table_lenses = parser.tables(tables)
        if parser.problems:
            raise LensError(tuple(dict.fromkeys(parser.problems)))
        return cls(table_lenses)

    def projections(self, direction: Direction) -> tuple[Projection, ...]:
        """In apply order: tables as the plan lists them, and of each table the primary part first."""
        return tuple(p for table_lens in self.table_lenses for p in table_lens.projections(direction))

    def tables(self, side: str) -> tuple[Table, ...]:
        """The tables of one side, `monolith` or `service`."""
        return {
            "monolith": tuple(table_lens.monolith for table_lens in self.table_lenses),
            "service": tuple(dict.fromkeys(p.table for table_lens in self.table_lenses for p in table_lens.service)),
        }[side]

    def check(self, monolith: Connection[Any], service: Connection[Any]) -> list[LensProblem]:
        """What the live catalogues say against this lens; empty when it is total and invertible there."""
        sides = Evidence(monolith), Evidence(service)
        sides[0].learn(self.tables("monolith"))
        sides[1].learn(self.tables("service"))
        while True:
            found = [problem for table_lens in self.table_lenses for problem in check_table(table_lens, *sides)]
            asked = [side.answer() for side in sides]
            if not any(asked):
                return list(dict.fromkeys(found))
