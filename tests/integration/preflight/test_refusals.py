"""Each reason against a move, provoked on real servers: named, with what to do, and nothing was changed."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

from cdc.catalogue import Catalogue
from cdc.copying import snapshot_indexes
from cdc.projection import Table
from migration_plan.errors import Refusal
from migration_plan.lifecycle import Act
from migration_plan.preflight import inspect, notes
from tests.awkward.databases import ORIGIN_FUNCTIONS
from tests.integration.preflight.conftest import Change, Trial, fingerprint
from tests.support.postgres import PostgresServer, free_port


def of_code(refusals: list[Refusal], code: str) -> str:
    """What the refusals with this code say, next steps included."""
    found = [f"{refusal.message} | {refusal.next_step}" for refusal in refusals if refusal.code == code]
    assert found, f"no {code} among {[(r.code, r.message) for r in refusals]}"
    assert all(refusal.next_step for refusal in refusals), "every refusal says what to do next"
    return "\n".join(found)


def test_the_awkward_ledger_can_be_moved_as_it_is(trial: Trial):
    assert trial.refusals() == []


IN_THE_MONOLITH = {
    "table-missing": ('drop table acme."Entry"', ["acme.Entry", "monolith"]),
    "no-primary-key": (
        'alter table acme."Entry" drop constraint "Entry_pkey"',
        ["acme.Entry", "ADD PRIMARY KEY"],
    ),
    "replica-identity": (
        'alter table acme."Entry_2026" replica identity nothing',
        ["acme.Entry_2026", "NOTHING"],
    ),
    "row-level-security": (
        'alter table acme."Account" enable row level security, force row level security',
        ["acme.Account", "BYPASSRLS"],
    ),
    "inheritance": ('create table acme.heir () inherits (acme."Account")', ["acme.Account", "acme.heir"]),
    "rule": (
        'create rule quiet as on delete to acme."Account" do instead nothing',
        ["acme.Account", '"quiet"'],
    ),
    "foreign-key-unexplained": (
        'create table acme.cards ("accountId" uuid constraint card_of references acme."Account")',
        ["card_of", "acme.cards -> acme.Account", "keep or drop"],
    ),
    "trigger-unexplained": (
        'create trigger "Odd one" before insert on acme."Entry" for each row execute function acme.audit()',
        ["Odd one", "acme.Entry", "acme.audit()"],
    ),
    "trigger-on-apply": (
        'alter table acme."Account" enable always trigger "Account audit"',
        ["Account audit", "acme.Account", "ENABLE TRIGGER"],
    ),
    "sequence-unnamed": (
        'alter table acme."Account" add number bigserial',
        ["acme.Account_number_seq", 'acme."Account".number', "sequences:"],
    ),
    "sequence-descending": ('alter sequence acme."Account_order" increment by -1', ["acme.Account_order"]),
    "publication-for-all-tables": (
        "create publication everything for all tables",
        ['"everything"', "fig's own"],
    ),
    "foreign-schema": ("create schema fig", ['"fig"', '"postgres"']),
    "other-plan": ("create publication fig_ledger for table acme.members", ["acme.members", '"fig_ledger"']),
    "lens": ('alter table acme."Account" add nickname text', ["nickname"]),
}


@pytest.mark.parametrize("code", IN_THE_MONOLITH)
def test_what_the_monolith_has_is_refused_by_name(trial: Trial, code: str):
    sql, words = IN_THE_MONOLITH[code]
    trial.databases.acme.run(sql)
    said = of_code(trial.refusals(), code)
    for word in [*words, "monolith" if code != "lens" else ""]:
        assert word in said


IN_THE_SERVICE = {
    "table-unlogged": ("alter table book.entry set unlogged", ["book.entry", "SET LOGGED"]),
    "sequence-unreadable": (
        "alter sequence book.account_position owner to postgres",
        ["book.account_position", "GRANT SELECT, UPDATE"],
    ),
    "replica-identity": (
        "alter table book.entry drop constraint entry_pkey;"
        " alter table book.entry add primary key (account_id, number, booked_on) deferrable",
        ["book.entry", "deferrable"],
    ),
    "foreign-key-unexplained": (
        "create table book.owner (id uuid primary key);"
        " alter table book.account add constraint of_owner foreign key (member_id) references book.owner",
        ["of_owner", "book.account -> book.owner"],
    ),
}


@pytest.mark.parametrize("code", IN_THE_SERVICE)
def test_what_the_service_has_is_refused_by_name(trial: Trial, code: str):
    sql, words = IN_THE_SERVICE[code]
    trial.databases.book.run(sql)
    said = of_code(trial.refusals(), code)
    for word in [*words, "service"]:
        assert word in said


def crossing(part: str, **entries: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        document["crossing"][part].update(entries)

    return change


def without(*path: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return change


def other_table(name: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        document["tables"][0]["monolith"] = name

    return change


IN_THE_PLAN: dict[str, tuple[Change, list[str]]] = {
    "foreign-key-cascades": (
        crossing("foreign_keys", Account_memberId_fkey="keep"),
        ["Account_memberId_fkey", "ON DELETE CASCADE", "drop"],
    ),
    "foreign-key-unexplained": (
        without("crossing", "foreign_keys", "statements_accountId_fkey"),
        ["statements_accountId_fkey", "acme.statements -> acme.Account", "{statements_accountId_fkey: drop}"],
    ),
    "foreign-key-unknown": (crossing("foreign_keys", no_such_key="keep"), ["no_such_key"]),
    "trigger-unexplained": (
        without("crossing", "triggers", "Account audit"),
        ["Account audit", "acme.Account"],
    ),
    "trigger-unknown": (crossing("triggers", no_such_trigger="because"), ["no_such_trigger"]),
    "sequence-unnamed": (without("sequences"), ["acme.Account_order", 'acme."Account"."order"']),
    "sequence-missing": (
        lambda plan: plan["sequences"].append({"monolith": "acme.none", "service": "book.account_position"}),
        ["acme.none"],
    ),
    "not-a-table": (other_table("acme.rich"), ["acme.rich", "a view"]),
    "no-primary-key": (other_table("acme.audit_log"), ["acme.audit_log", "monolith"]),
    "table-missing": (other_table("acme.Acount"), ["acme.Acount"]),
}


@pytest.mark.parametrize("code", IN_THE_PLAN)
def test_what_the_plan_leaves_out_or_gets_wrong_is_refused_by_name(trial: Trial, code: str):
    change, words = IN_THE_PLAN[code]
    said = of_code(trial.refusals(change), code)
    for word in words:
        assert word in said


def test_all_reasons_come_at_once(trial: Trial):
    trial.databases.acme.run('alter table acme."Entry" drop constraint "Entry_pkey"')
    trial.databases.book.run("alter table book.entry set unlogged")
    codes = {refusal.code for refusal in trial.refusals(without("sequences"))}
    assert codes >= {"no-primary-key", "table-unlogged", "sequence-unnamed"}


def test_every_privilege_that_the_role_lacks_is_named_with_its_grant(trial: Trial):
    acme = trial.databases.acme
    acme.run("drop role if exists fig_bare; create role fig_bare login")
    said = of_code(trial.refusals(FIG_ACME_DSN=acme.dsn("fig_bare")), "missing-privilege")
    for grant in (
        'ALTER ROLE "fig_bare" REPLICATION',
        f'GRANT CREATE ON DATABASE "{acme.name}" TO "fig_bare"',
        'GRANT SET ON PARAMETER session_replication_role TO "fig_bare"',
        'GRANT pg_monitor TO "fig_bare"',
        'GRANT "acme_owner" TO "fig_bare"',
    ):
        assert grant in said
    # Without origins transactions are signed by a message: docs/managed-postgresql.md.
    assert not any(function.split("(")[0] in said for function in ORIGIN_FUNCTIONS)


@pytest.mark.parametrize("side", ["ACME", "BOOK"])
def test_a_side_that_does_not_answer_does_not_hide_what_the_other_one_has(trial: Trial, side: str):
    trial.databases.acme.run('alter table acme."Entry" drop constraint "Entry_pkey"')
    trial.databases.book.run("alter table book.entry set unlogged")
    dead = f"host=127.0.0.1 port={free_port()} user=fig dbname=none password=SECRET"
    refusals = trial.refusals(None, Act.START_SYNC, **{f"FIG_{side}_DSN": dead})
    said = of_code(refusals, "side-unreachable")
    assert ("monolith" if side == "ACME" else "service") in said
    assert "SECRET" not in said
    of_code(refusals, "table-unlogged" if side == "ACME" else "no-primary-key")


def test_a_dsn_that_means_nothing_is_refused_without_showing_it(trial: Trial):
    said = of_code(trial.refusals(FIG_BOOK_DSN="postgresql//fig:SECRET@nowhere"), "side-unreachable")
    assert "service" in said
    assert "SECRET" not in said


def test_two_spellings_of_one_database_are_not_two_sides(trial: Trial):
    refusals = trial.refusals(FIG_BOOK_DSN=trial.databases.acme.dsn("fig") + " application_name=other")
    assert trial.databases.acme.name in of_code(refusals, "one-database")


def test_a_slot_of_our_name_that_is_not_ours_is_named(trial: Trial):
    with trial.databases.acme.connect() as admin:
        admin.execute("select pg_create_logical_replication_slot('fig_ledger_to_service', 'test_decoding')")
        try:
            said = of_code(trial.refusals(), "other-plan")
        finally:
            admin.execute("select pg_drop_replication_slot('fig_ledger_to_service')")
    for word in ("fig_ledger_to_service", "test_decoding", "pg_drop_replication_slot"):
        assert word in said


def test_a_table_of_another_domain_is_named_with_that_domain(trial: Trial):
    acme = trial.databases.acme
    acme.run("create schema fig; create table fig.domain_table (relation oid primary key, domain text)", "fig")
    acme.run("""insert into fig.domain_table values ('acme."Account"'::regclass, 'vault')""", "fig")
    said = of_code(trial.refusals(), "table-in-other-domain")
    assert "acme.Account" in said
    assert '"vault"' in said


@pytest.fixture
def meagre(server_folder, request: pytest.FixtureRequest):
    server = PostgresServer(
        server_folder / "pg-meagre",
        settings={"wal_level": "replica", "max_replication_slots": "1", "max_wal_senders": "1"},
    )
    server.create()
    server.start()
    yield server
    server.stop()


def test_a_server_that_is_not_set_up_for_replication_is_named_with_its_settings(trial: Trial, meagre: PostgresServer):
    refusals = trial.refusals(FIG_BOOK_DSN=meagre.dsn())
    assert "ALTER SYSTEM SET wal_level = logical" in of_code(refusals, "wal-level")
    assert "raise max_replication_slots" in of_code(refusals, "no-free-slot")
    assert "raise max_wal_senders" in of_code(refusals, "no-free-sender")
    assert "service" in of_code(refusals, "table-missing")


def test_who_may_write_and_which_views_read_is_told_and_not_refused(trial: Trial):
    acme = trial.databases.acme
    with acme.connect("acme_app", application_name="forgotten-cron"), acme.connect("acme_owner"):
        assert trial.refusals() == []
        told = "\n".join(notes(inspect(trial.plan()), trial.plan()))
    assert "forgotten-cron as acme_app may write" in told
    assert "as acme_owner may write the domain's tables, whose role could also take the fence away" in told
    assert "view acme.rich reads" in told


def test_a_switch_cannot_be_judged_without_its_facts(trial: Trial):
    with pytest.raises(ValueError, match="SwitchFacts"):
        trial.refusals(act=Act.SWITCH)


@pytest.mark.parametrize("sql", ["create table acme.more ()", "grant select on acme.members to public",
                                 "insert into acme.audit_log (what) values ('x')"])  # fmt: skip
def test_the_proof_that_nothing_changed_notices_changes(trial: Trial, sql: str):
    before = fingerprint(trial.databases)
    assert fingerprint(trial.databases) == before
    trial.databases.acme.run(sql)
    assert fingerprint(trial.databases) != before


def test_a_key_that_a_dead_copy_has_taken_is_not_missing(trial: Trial):
    """The copy that goes on brings it back (cdc/copying/snapshot_indexes.py); START_SYNC has to let it."""
    before = trial.refusals()
    table = Table("book", "entry")
    with trial.databases.book.connect("fig") as target:
        target.execute(files("cdc").joinpath("stream.sql").read_bytes())
        target.execute("set search_path = pg_catalog")
        with target.transaction():
            assert snapshot_indexes.take(target, "ledger_to_service", table)
        assert Catalogue(target).get(table).primary_key == ("account_id", "number", "booked_on")
    assert trial.refusals() == before
