"""Crossing foreign keys: dropped without making anyone wait, remembered with the drop, restored and checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migration_plan.configuration.plan import Plan
from migration_plan.errors import TablesBusy
from migration_plan.lifecycle import Side
from migration_plan.sides.side import SideDatabase
from migration_plan.sync import crossing
from tests.awkward.databases import Database
from tests.integration.preflight.conftest import Trial

KEYS = ["Account_memberId_fkey", "statements_accountId_fkey"]
STREAM_SQL = Path(__file__).parents[3] / "cdc" / "stream.sql"
NOBODY = "00000000-0000-0000-0000-00000000000"


@pytest.fixture
def plan(trial: Trial) -> Plan:
    return trial.plan()


@pytest.fixture
def side(trial: Trial, plan: Plan) -> Iterator[SideDatabase]:
    """The monolith's side with the domain enrolled."""
    trial.databases.acme.run("create schema fig; " + STREAM_SQL.read_text(), "fig")
    database = SideDatabase(Side.MONOLITH, plan.sides.monolith.dsn)
    database.install()
    database.enroll("ledger", "owner", 1, [table.quoted for table in plan.lens.tables("monolith")], 1.0)
    yield database
    database.close()


def definitions(database: Database) -> dict[str, tuple[str, bool]]:
    """The crossing keys that are there: name -> definition, validity."""
    with database.connect() as admin:
        rows = admin.execute(
            "select conname, pg_get_constraintdef(oid), convalidated from pg_constraint where conname = any (%s)",
            [KEYS],
        ).fetchall()
    return {name: (definition, valid) for name, definition, valid in rows}


def test_keys_go_and_come_back_as_they_were(trial: Trial, plan: Plan, side: SideDatabase):
    before = definitions(trial.databases.acme)
    assert [key.name for key in crossing.drop(side, plan, 5)] == KEYS
    assert definitions(trial.databases.acme) == {}
    assert crossing.drop(side, plan, 5) == [], "a repeated drop finds nothing and forgets nothing"
    assert [key.name for key in crossing.dropped(side, "ledger")] == KEYS
    assert [str(restored) for restored in crossing.restore(side, plan, 5)] == [
        'foreign key "Account_memberId_fkey" of acme."Account" is back',
        'foreign key "statements_accountId_fkey" of acme.statements is back',
    ]
    assert definitions(trial.databases.acme) == before
    assert crossing.restore(side, plan, 5) == []


def test_orphans_are_named_by_key_and_the_key_guards_new_rows_meanwhile(trial: Trial, plan: Plan, side: SideDatabase):
    acme = trial.databases.acme
    crossing.drop(side, plan, 5)
    acme.run(
        f"""insert into acme."Account" ("accountId", "memberId", "Label")
            values ('{NOBODY}1', '{NOBODY}8', 'a'), ('{NOBODY}2', '{NOBODY}9', 'b')"""
    )
    back = {restored.key.name: restored for restored in crossing.restore(side, plan, 5)}
    assert back["Account_memberId_fkey"].orphans == (f"{NOBODY}1", f"{NOBODY}2")
    assert "2 row(s) refer to nothing" in str(back["Account_memberId_fkey"])
    assert back["statements_accountId_fkey"].count == 0
    assert definitions(acme)["Account_memberId_fkey"][1] is False
    with pytest.raises(Exception, match="Account_memberId_fkey"):
        acme.run(f"""insert into acme."Account" ("memberId", "Label") values ('{NOBODY}8', 'new')""")
    acme.run(f"""delete from acme."Account" where "memberId" = '{NOBODY}8' or "memberId" = '{NOBODY}9'""")
    assert [restored.count for restored in crossing.restore(side, plan, 5)] == [0]
    assert definitions(acme)["Account_memberId_fkey"][1] is True


def test_a_key_of_a_partitioned_table_comes_back_once_no_orphan_is_left(trial: Trial, plan: Plan, side: SideDatabase):
    acme = trial.databases.acme
    acme.run(
        """create table acme.branches (id uuid primary key);
           alter table acme.branches owner to acme_owner;
           alter table acme."Entry" add branch uuid constraint "of Branch" references acme.branches"""
    )
    plan = trial.plan(lambda document: document["crossing"]["foreign_keys"].update({"of Branch": "drop"}))
    assert "of Branch" in [key.name for key in crossing.drop(side, plan, 5)]
    acme.run(
        f"""insert into acme.members ("memberId", "e-mail", "Name") values ('{NOBODY}1', 'm', 'm');
            insert into acme."Account" ("accountId", "memberId", "Label") values ('{NOBODY}2', '{NOBODY}1', 'a');
            insert into acme."Entry" values ('{NOBODY}2', 1, '2026-05-05', 'D', 1, null, '{NOBODY}3')"""
    )
    orphaned = next(back for back in crossing.restore(side, plan, 5) if back.key.name == "of Branch")
    assert orphaned.orphans == (f"{NOBODY}2, 1, 2026-05-05",)
    acme.run(f"insert into acme.branches values ('{NOBODY}3')")
    assert [str(back) for back in crossing.restore(side, plan, 5)] == [
        'foreign key "of Branch" of acme."Entry" is back'
    ]


@pytest.mark.parametrize(
    "statement",
    ["""update acme."Account" set closed = closed""", """select from acme."Account" """, "select from acme.members"],
    ids=["writer", "reader", "reader of the table outside"],
)
def test_whoever_keeps_a_key_from_being_dropped_is_named_and_the_key_stays(
    trial: Trial, plan: Plan, side: SideDatabase, statement: str
):
    before = definitions(trial.databases.acme)
    with trial.databases.acme.connect("acme_app", autocommit=False, application_name="slow-report") as slow:
        slow.execute(statement.encode())
        with pytest.raises(TablesBusy, match="slow-report"):
            crossing.drop(side, plan, 0.3)
    assert definitions(trial.databases.acme) == before
    assert crossing.dropped(side, "ledger") == []
