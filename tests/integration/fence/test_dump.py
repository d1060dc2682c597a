"""A side that comes back from a dump: each table has another oid than before, and the fence is found all the same."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from migration_plan.lifecycle import Side
from migration_plan.sides.side import SideDatabase
from tests.integration.fence.conftest import DOMAIN, FencedSide
from tests.support.postgres import postgres_programs


def dumped_and_restored(side: FencedSide, archive: Path) -> str:
    """The restored database's name."""
    programs, restored = postgres_programs(), f"{side.database}_restored"
    with psycopg.connect(side.server.dsn(), autocommit=True) as admin:
        admin.execute(f'create database "{restored}"')
    for command in (
        [programs / "pg_dump", "-Fc", "-f", archive, side.server.dsn(side.database)],
        [programs / "pg_restore", "-e", "-d", side.server.dsn(restored), archive],
    ):
        subprocess.run([str(word) for word in command], check=True)
    return restored


def test_an_owner_of_the_past_that_was_restored_from_a_dump_is_fenced(owner_side: FencedSide, tmp_path: Path):
    restored = dumped_and_restored(owner_side, tmp_path / "last-night")
    with (
        closing(SideDatabase(Side.MONOLITH, owner_side.server.dsn(restored, "fig"))) as side,
        psycopg.connect(owner_side.server.dsn(restored, "app"), autocommit=True) as app,
    ):
        app.execute("insert into book (title) values ('of yesterday')")
        assert side.breaches(DOMAIN) == []
        assert str(side.stop(DOMAIN, "owner", 1, 0.1)) == "standby at epoch 1"
        for rogue in ("insert into book (title) values ('of today')", "insert into loan_2026 values (1, 2026)"):
            with pytest.raises(psycopg.Error, match="is not owned here: this is the monolith side, standby"):
                app.execute(rogue)
