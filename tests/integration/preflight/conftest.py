"""The awkward monolith's databases, its plan with changes, and a proof that nothing was changed."""

from __future__ import annotations

import copy
import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from migration_plan.errors import Refusal
from migration_plan.lifecycle import Act
from migration_plan.plan import Plan, load
from migration_plan.preflight import preflight
from tests.awkward.conftest import awkward
from tests.awkward.databases import Database, Databases
from tests.support.postgres import postgres_programs

__all__ = ["awkward"]

PLAN = Path(__file__).parents[2] / "awkward" / "plans" / "ledger.yml"
Change = Callable[[dict[str, Any]], None]


def fingerprint(databases: Databases) -> str:
    """Everything that a preflight must leave as it was: schema and rows of both databases, slots, origins."""
    digest = hashlib.sha256()
    for database in (databases.acme, databases.book):
        digest.update(_dump(database))
        with database.connect() as admin:
            for query in (
                "select slot_name from pg_replication_slots",
                "select roname from pg_replication_origin",
            ):
                digest.update(repr(sorted(admin.execute(query).fetchall())).encode())
    return digest.hexdigest()


def _dump(database: Database) -> bytes:
    program = [postgres_programs() / "pg_dump", database.dsn(), "--inserts"]
    text = subprocess.run(program, check=True, capture_output=True).stdout
    # A random word guards the dump against injected commands; it differs every time.
    return b"\n".join(line for line in text.split(b"\n") if not line.startswith((b"\\restrict", b"\\unrestrict")))


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
