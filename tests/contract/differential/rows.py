"""Whether both sides wrote the same rows: the monolith's, seen through the lens, against the service's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml

from cdc.lens import Lens
from cdc.projection import Direction, Projection, labelled, quoted
from tests.contract.differential.answers import Counterparts, agree, values
from tests.contract.differential.domain import Domain, Noise, Same

PLANS = Path(__file__).parents[3] / "migration_plan" / "plans"


@dataclass(frozen=True)
class Tables:
    """The two databases of a domain whose rows a sequence leaves behind."""

    domain: Domain
    monolith: str
    service: str

    def differences(self, counterparts: Counterparts) -> list[str]:
        lens = Lens.parse(yaml.safe_load((PLANS / f"{self.domain.name}.yml").read_text())["tables"])
        with psycopg.connect(self.monolith) as here, psycopg.connect(self.service) as there:
            return [
                difference
                for projection in lens.projections(Direction.TO_SERVICE)
                for difference in self._compare(projection, here, there, counterparts)
            ]

    def _compare(
        self, projection: Projection, here: psycopg.Connection, there: psycopg.Connection, ids: Counterparts
    ) -> Iterable[str]:
        names = [column.target for column in projection.columns]
        columns = ", ".join(quoted(name) for name in names)
        mine = _rows(here, projection.select(), names)
        # Of a table that a pivot fills, only the rows that this column of the monolith's stands for.
        where = f" WHERE {labelled(projection.pinned)}" if projection.pinned else ""
        theirs = _rows(there, f"SELECT {columns} FROM {projection.target.quoted}{where}", names)
        keys = [name for _, name in projection.key]
        return self._table(projection.target.name, keys, mine, theirs, ids)

    def _table(
        self, table: str, keys: list[str], here: list[dict[str, Any]], there: list[dict[str, Any]], ids: Counterparts
    ) -> list[str]:
        """Rows come in the order of their keys: both sides drew them in the order of the requests."""
        if len(here) != len(there):
            return [f"{table} has {len(here)} | {len(there)} rows: {here[-3:]} | {there[-3:]}"]
        found = []
        order = [self.domain.order[table]] if table in self.domain.order else keys
        for one, other in zip(_sorted(here, order), _sorted(there, order), strict=True):
            for name in one:
                rule = self.domain.columns.get(f"{table}.{name}")
                if rule is Noise.MOMENT:
                    continue
                if isinstance(one[name], dict):
                    found += [f"{table}.{name}{said}" for said in values(self.domain, one[name], other[name], ids)]
                elif not agree(rule, _native(rule, one[name]), _native(rule, other[name]), ids):
                    found.append(f"row of {table} {[one[key] for key in keys]}: {name} {one[name]} | {other[name]}")
            found += self._moments(table, keys, one, other)
        return found

    def _moments(self, table: str, keys: list[str], one: dict[str, Any], other: dict[str, Any]) -> list[str]:
        """Of the moments in one row: which are missing, and which are later than which."""
        names = [name for name in one if self.domain.columns.get(f"{table}.{name}") is Noise.MOMENT]
        if [_order(one, names)] == [_order(other, names)]:
            return []
        return [f"row of {table} {[one[key] for key in keys]}: moments {_said(one, names)} | {_said(other, names)}"]


def _rows(connection: psycopg.Connection, query: str, names: list[str]) -> list[dict[str, Any]]:
    found = connection.execute(query.encode()).fetchall()
    return [dict(zip(names, ("" if v is None else v for v in row), strict=True)) for row in found]


def _sorted(rows: list[dict[str, Any]], keys: list[str]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: [row[key] for key in keys])


def _native(rule: object, value: Any) -> Any:
    return value if isinstance(rule, Same) else str(value)


def _order(row: dict[str, Any], names: list[str]) -> list[int]:
    known = sorted({row[name] for name in names if row[name] != ""})
    return [-1 if row[name] == "" else known.index(row[name]) for name in names]


def _said(row: dict[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name}={row[name]}" for name in names)
