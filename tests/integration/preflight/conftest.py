"""The awkward monolith's databases, its plan with changes, and a proof that nothing was changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from migration_plan.configuration.plan import Plan, load
from migration_plan.errors import Refusal
from migration_plan.lifecycle import Act
from migration_plan.preflight import preflight
from tests.awkward.conftest import awkward
from tests.awkward.databases import Databases

__all__ = ["awkward"]

PLAN = Path(__file__).parents[2] / "awkward" / "plans" / "ledger.yml"
Change = Callable[[dict[str, Any]], None]


# Every row version of every table, catalogs included; only statistics may change by themselves.
_VERSIONS = """
    select c.oid::regclass::text, (xpath('/row/v/text()', query_to_xml(format(
               'select count(*) || coalesce(sum(hashtextextended(ctid::text || xmin, 0)), 0)::text as v from only %s',
               c.oid::regclass), false, true, '')))[1]::text
    from pg_class c
    where c.relkind in ('r', 'S') and c.relpersistence <> 't' and c.relname not like 'pg\\_statistic%'
    order by 1"""


def fingerprint(databases: Databases) -> list[tuple[object, ...]]:
    """Everything that a preflight must leave as it was: catalogs and rows of both databases, slots, origins."""
    found: list[tuple[object, ...]] = []
    for database in (databases.acme, databases.book):
        with database.connect() as admin:
            found += admin.execute(_VERSIONS).fetchall()
            found += admin.execute("select slot_name from pg_replication_slots order by 1").fetchall()
    return found


@dataclass
class Trial:
    """Runs preflight on the awkward plan and holds it to its word that nothing is changed."""

    databases: Databases
    folder: Path

    def plan(self, change: Change | None = None, **variables: str) -> Plan:
        document = copy.deepcopy(yaml.safe_load(PLAN.read_text()))
        if change is not None:
            change(document)
        path = self.folder / "ledger.yml"
        path.write_text(yaml.safe_dump(document))
        return load(path, {**self.databases.variables, **variables})

    def refusals(self, change: Change | None = None, act: Act = Act.START_SYNC, **variables: str) -> list[Refusal]:
        plan = self.plan(change, **variables)
        before = fingerprint(self.databases)
        found = preflight(plan, act)
        assert fingerprint(self.databases) == before, "preflight changed something"
        return found


@pytest.fixture
def trial(awkward: Databases, tmp_path: Path) -> Trial:
    return Trial(awkward, tmp_path)
