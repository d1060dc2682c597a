"""Writers that never heard of the toolkit meet the fence of the awkward domain, or are noticed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from migration_plan.configuration.plan import Plan
from migration_plan.lifecycle import Side
from migration_plan.sides.side import SideDatabase
from tests.integration.preflight.conftest import Trial
from tests.support.postgres import postgres_programs

PROJECT = Path(__file__).parents[3]
REFUSED = 'domain "ledger" is not owned here: this is the monolith side, fenced at epoch 2'
MEMBER = """insert into acme.members ("e-mail", "Name") values ('a', 'A') returning "memberId" """


@pytest.fixture
def plan(trial: Trial) -> Plan:
    return trial.plan()


@pytest.fixture
def side(trial: Trial, plan: Plan) -> Iterator[SideDatabase]:
    """The monolith's side, owner of the ledger at epoch 1, without the event trigger."""
    trial.databases.acme.run("create schema fig; " + (PROJECT / "cdc" / "stream.sql").read_text(), "fig")
    database = SideDatabase(Side.MONOLITH, plan.sides.monolith.dsn)
    database.install()
    database.enroll("ledger", "owner", 1, [table.quoted for table in plan.lens.tables("monolith")], 1.0)
    yield database
    database.close()


@pytest.fixture
def fenced(trial: Trial, side: SideDatabase) -> Trial:
    with trial.databases.acme.connect("acme_app") as app:
        (member,) = app.execute(MEMBER).fetchall()[0]
        app.execute("""insert into acme."Account" ("memberId", "Label") values (%s, 'a')""", [member])
    side.fence("ledger", 1, 0.5, [])
    return trial


def test_psql_is_told_domain_side_state_and_epoch(fenced: Trial):
    program: list[str | Path] = [
        postgres_programs() / "psql",
        fenced.databases.acme.dsn("acme_app"),
        "-v",
        "ON_ERROR_STOP=1",
        "-c",
    ]
    done = subprocess.run([*program, 'update acme."Account" set closed = true'], capture_output=True, text=True)
    assert done.returncode != 0
    assert REFUSED in done.stderr
    assert "fig status" in done.stderr


def test_the_nightly_script_books_nothing_and_says_why(fenced: Trial):
    acme = fenced.databases.acme
    acme.run("""alter table acme."Account" disable trigger a_fig_fence;
                update acme."Account" set balance = 100;
                alter table acme."Account" enable trigger a_fig_fence""")
    done = subprocess.run(
        [sys.executable, "-m", "tests.awkward.nightly"], cwd=PROJECT, capture_output=True, text=True,
        env={"ACME_DATABASE_URL": acme.dsn("acme_app")}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3, done
    assert REFUSED in done.stderr
    with acme.connect() as admin:
        assert admin.execute('select count(*) from acme."Entry"').fetchone() == (0,)


def test_a_copy_is_refused(fenced: Trial):
    copy = 'copy acme."Entry" ("accountId", "no", kind, amount) from stdin'
    with (
        fenced.databases.acme.connect("acme_app") as app,
        pytest.raises(psycopg.Error, match="not owned here") as met,
        app.cursor().copy(copy) as rows,
    ):
        rows.write_row(("00000000-0000-0000-0000-000000000001", 1, "D", "1.00"))
    assert met.value.sqlstate == "SF421"


def test_a_cascade_from_outside_the_domain_is_refused(fenced: Trial):
    with fenced.databases.acme.connect("acme_app") as app:
        with pytest.raises(psycopg.Error) as met:
            app.execute("delete from acme.members")
        assert met.value.sqlstate == "SF421"
        assert app.execute("select count(*) from acme.members").fetchone() == (1,)


@pytest.mark.parametrize("partition", ["Entry_old", "Entry_2026", "Entry_later"])
def test_a_write_into_a_partition_is_refused(fenced: Trial, partition: str):
    with fenced.databases.acme.connect("acme_app") as app, pytest.raises(psycopg.Error) as met:
        app.execute(f'delete from acme."{partition}"')
    assert met.value.sqlstate == "SF421"


def test_triggers_switched_off_for_a_bulk_load_are_noticed_with_owner_and_epoch(fenced: Trial, side: SideDatabase):
    acme = fenced.databases.acme
    acme.run('alter table acme."Account" disable trigger user', "acme_owner")
    (breach,) = side.breaches("ledger")
    assert (breach.relation, breach.trigger_state, str(breach.row)) == ('acme."Account"', "D", "fenced at epoch 2")
    side.repair_fence("ledger", 0.5)
    assert side.breaches("ledger") == []


def test_triggers_switched_on_again_on_the_owner_are_noticed(trial: Trial, side: SideDatabase):
    acme = trial.databases.acme
    acme.run(
        'alter table acme."Account" disable trigger user; alter table acme."Account" enable trigger user', "acme_owner"
    )
    assert [breach.trigger_state for breach in side.breaches("ledger")] == ["O"]
    side.repair_fence("ledger", 0.5)
    with acme.connect("acme_app") as app:
        app.execute('update acme."Account" set closed = closed')


def test_a_new_partition_is_noticed_and_fenced(fenced: Trial, side: SideDatabase):
    fenced.databases.acme.run(
        """create table acme."Entry_1999" (like acme."Entry" including all);
           alter table acme."Entry" detach partition acme."Entry_old";
           alter table acme."Entry" attach partition acme."Entry_1999" for values from ('1999-01-01') to ('2000-01-01');
           grant all on acme."Entry_1999" to acme_app""",
        "acme_owner",
    )
    assert 'acme."Entry_1999"' in [breach.relation for breach in side.breaches("ledger")]
    side.repair_fence("ledger", 0.5)
    with fenced.databases.acme.connect("acme_app") as app, pytest.raises(psycopg.Error) as met:
        app.execute('delete from acme."Entry_1999"')
    assert met.value.sqlstate == "SF421"
