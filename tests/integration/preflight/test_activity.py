"""Who is at work on the domain's tables makes a move wait; preflight names them before anyone is held."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from migration_plan.errors import Refusal
from migration_plan.lifecycle import Act
from migration_plan.preflight import inspect, judge, notes
from tests.awkward.databases import Database
from tests.integration.preflight.conftest import Trial
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

WRITE = """with member as (insert into acme.members ("e-mail", "Name") values ('secret@example.org', 'S')
                           returning "memberId")
           insert into acme."Account" ("memberId", "Label") select "memberId", 'secret' from member"""


def refused(trial: Trial, code: str, act: Act = Act.START_SYNC) -> list[Refusal]:
    plan = trial.plan()
    return [refusal for refusal in judge(plan, act, inspect(plan)) if refusal.code == code]


def test_a_transaction_that_is_open_for_long_is_named_without_its_data(trial: Trial):
    with trial.databases.acme.connect("acme_app", autocommit=False, application_name="report") as session:
        session.execute(WRITE)
        assert not refused(trial, "long-transaction"), "a young transaction is everyday life"
        assert any("writing now" in note and "report" in note for note in notes(inspect(trial.plan()), trial.plan()))
        wait_until(lambda: refused(trial, "long-transaction"), 5, "the transaction counts as long")
        said = refused(trial, "long-transaction")[0].message
        pid = f"pid {session.info.backend_pid}"
        for word in (pid, "report", "acme_app", "idle in transaction", "RowExclusiveLock", 'acme."Account"'):
            assert word in said
        assert "secret" not in said
        session.rollback()
    assert not refused(trial, "long-transaction")


def test_a_long_reader_is_in_nobodys_way(trial: Trial):
    with trial.databases.acme.connect("acme_app", autocommit=False) as reader:
        reader.execute('select from acme."Account"')
        with trial.databases.acme.connect("acme_app", autocommit=False) as writer:
            writer.execute(WRITE)
            wait_until(lambda: refused(trial, "long-transaction"), 5, "the later writer counts as long")
            writer.rollback()
        assert not refused(trial, "long-transaction")


@contextmanager
def prepared(database: Database, sql: str, name: str) -> Iterator[None]:
    with database.connect(autocommit=False) as session:
        session.execute(sql)
        session.execute(f"prepare transaction '{name}'")
    try:
        yield
    finally:
        database.run(f"rollback prepared '{name}'")


def test_a_prepared_transaction_on_the_tables_is_named(trial: Trial):
    with prepared(trial.databases.acme, WRITE, "left behind"):
        found = refused(trial, "prepared-transaction")
        assert len(found) == 1, "it is one reason, not two"
        for word in ('"left behind"', 'acme."Account"', "ROLLBACK PREPARED 'left behind'"):
            assert word in f"{found[0].message} | {found[0].next_step}"


def test_a_prepared_transaction_anywhere_on_the_server_keeps_a_slot_from_being_made(
    trial: Trial, new_database, monolith_server: PostgresServer
):
    elsewhere = Database(
        monolith_server, str(psycopg.conninfo.conninfo_to_dict(new_database(monolith_server))["dbname"]), "", ""
    )
    with prepared(elsewhere, "create table t ()", "far away"):
        found = refused(trial, "prepared-transaction")
        assert len(found) == 1
        assert "'far away' in database" in found[0].message


@contextmanager
def in_background(database: Database, *statements: str) -> Iterator[int]:
    """Run statements that take long in another session; cancelled at the end."""
    with database.connect() as session:

        def work() -> None:
            try:
                for statement in statements:
                    session.execute(statement)
            except psycopg.errors.QueryCanceled:
                return

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield session.info.backend_pid
        finally:
            session.cancel_safe()
            thread.join(10)


def test_an_index_build_is_named(trial: Trial):
    acme = trial.databases.acme
    with acme.connect("acme_app", autocommit=False) as writer:
        writer.execute(WRITE)
        build = 'create index concurrently slow on acme."Account" ("opened at")'
        with in_background(acme, build) as pid:
            wait_until(lambda: refused(trial, "maintenance"), 10, "the index build is seen")
            said = refused(trial, "maintenance")[0].message
            for word in (f"pid {pid}", "CREATE INDEX CONCURRENTLY", 'acme."Account"', "monolith"):
                assert word in said
        writer.rollback()


@pytest.mark.parametrize("side", ["monolith", "service"])
def test_a_manual_vacuum_is_named(trial: Trial, side: str):
    acme, book = trial.databases.acme, trial.databases.book
    database, table = (acme, 'acme."Account"') if side == "monolith" else (book, "book.account")
    book.run("insert into book.account (member_id, label) select gen_random_uuid(), n from generate_series(1, 20000) n")
    acme.run(WRITE)
    acme.run(
        """insert into acme."Account" ("memberId", "Label")
           select "memberId", n from acme.members, generate_series(1, 20000) n"""
    )
    slow = ("set vacuum_cost_delay = 100", "set vacuum_cost_limit = 1", f"vacuum {table}")
    with in_background(database, *slow) as pid:
        wait_until(lambda: refused(trial, "maintenance"), 10, "the vacuum is seen")
        said = refused(trial, "maintenance")[0].message
        for word in (f"pid {pid}", "VACUUM", table, side):
            assert word in said
