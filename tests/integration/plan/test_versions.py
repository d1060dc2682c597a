"""The toolkit is upgraded while it is in use: what it keeps in databases is brought on, and an older one is refused."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
import pytest

from migration_plan import versions
from migration_plan.exit_codes import Exit
from migration_plan.journal.journal import Journal
from migration_plan.lifecycle import Side, Stage
from migration_plan.versions import LaterVersion, MayNotBringOn
from tests.integration.plan.conftest import World


def at(dsn: str, statement: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchone() if cursor.description else None


def set_version(dsn: str, part: str, version: int) -> None:
    at(dsn, f"update fig.version set version = {version} where part = '{part}'")


def test_a_journal_from_before_there_were_versions_is_brought_on_by_whoever_comes_first(world: World) -> None:
    journal = world.dsns["journal"]
    with closing(Journal(journal)) as one:
        one.stage("parcels")
    at(journal, "drop table fig.version")
    at(journal, "drop function fig.admit(name)")
    with closing(Journal(journal)) as one:
        one.stage("parcels")
    assert at(journal, "select version from fig.version where part = 'journal'") == (versions.VERSIONS["journal"],)
    assert at(journal, "select to_regprocedure('fig.admit(name)') is not null") == (True,)


def test_a_side_that_an_earlier_fig_has_set_up_gets_this_ones_functions_and_keeps_its_row(world: World) -> None:
    world.bring_to(Stage.SYNC)
    service = world.dsns["service"]
    at(service, "drop table fig.version")
    at(service, "drop view fig.fence_breach")
    at(service, "alter table fig.domain_table alter column relation type oid")
    at(
        service,
        "create or replace function fig.settle(p_domain text, p_patience_ms int) returns void language sql as 'select'",
    )
    with world.parts() as parts:
        row = parts.sides[Side.SERVICE].row("parcels")
    assert row is not None
    assert row.state == "standby"
    assert at(service, "select prosrc like '%lock_tables%' from pg_proc where proname = 'settle'") == (True,)
    assert at(service, "select pg_typeof(relation)::text from fig.domain_table limit 1") == ("regclass",)
    assert at(service, "select version from fig.version where part = 'side'") == (versions.VERSIONS["side"],)


def test_what_a_later_fig_keeps_in_the_journal_is_refused_by_name(world: World) -> None:
    world.bring_to(Stage.SYNC)
    set_version(world.dsns["journal"], "journal", 99)
    try:
        with closing(Journal(world.dsns["journal"])) as one, pytest.raises(LaterVersion, match="at version 99"):
            one.stage("parcels")
        said = world.fig("status", "parcels")
        assert said.returncode == Exit.NOT_MEANT
        assert "fig --version" in said.stderr
    finally:
        set_version(world.dsns["journal"], "journal", versions.VERSIONS["journal"])


def test_a_move_by_an_older_fig_is_refused_before_anything_changes(world: World) -> None:
    world.bring_to(Stage.CANARY)
    world.verify()
    set_version(world.dsns["service"], "side", 99)
    try:
        with world.mover() as mover, pytest.raises(LaterVersion, match="the database of the service side"):
            mover.move(forward=True)
    finally:
        set_version(world.dsns["service"], "side", versions.VERSIONS["side"])
    with world.mover() as mover:
        assert mover.parts.journal.stage("parcels") is Stage.CANARY
        assert mover.move(forward=True).after is Stage.SERVICE


def test_whoever_may_not_change_it_is_told_who_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = world.dsns["journal"]
    with closing(Journal(journal)) as one:
        one.stage("parcels")
    at(journal, "drop role if exists clerk")
    at(journal, "create role clerk login")
    try:
        at(journal, "select fig.admit('clerk')")
        monkeypatch.setitem(versions.VERSIONS, "journal", 98)
        clerks = closing(Journal(psycopg.conninfo.make_conninfo(journal, user="clerk")))
        with clerks as one, pytest.raises(MayNotBringOn, match="this fig needs version 98"):
            one.stage("parcels")
    finally:
        at(journal, "drop owned by clerk")
        at(journal, "drop role clerk")
