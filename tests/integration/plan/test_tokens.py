"""Viewer, operator and admin by token; while there is none, whoever reaches the journal is admin."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from migration_plan.cli import main
from migration_plan.exit_codes import Exit
from migration_plan.journal import tokens
from migration_plan.journal.access import NEEDS, OPEN, VARIABLE, Forbidden, Role
from migration_plan.journal.journal import Journal
from migration_plan.journal.tokens import TokenRefused
from migration_plan.lifecycle import Stage
from migration_plan.terminal import commands
from tests.integration.plan.conftest import World
from tests.support.postgres import PostgresServer


@pytest.fixture
def dsn(services_server: PostgresServer, new_database: Callable[[PostgresServer], str]) -> str:
    return new_database(services_server)


@pytest.fixture
def admin(dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv(VARIABLE, raising=False)
    with closing(Journal(dsn)) as journal:
        token = tokens.create(journal, "ada", Role.ADMIN)
    monkeypatch.setenv(VARIABLE, token)
    return token


def access(dsn: str, monkeypatch: pytest.MonkeyPatch, token: str, needed: Role) -> str:
    monkeypatch.setenv(VARIABLE, token)
    with closing(Journal(dsn)) as journal:
        journal.demand(needed, "it")
        return journal.actor


def test_every_command_is_in_the_table_of_roles() -> None:
    assert {words for words, _ in commands(main)} == NEEDS.keys() | OPEN


def test_without_any_token_the_os_user_is_admin(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    access(dsn, monkeypatch, "", Role.ADMIN)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("needed", list(Role))
def test_a_role_may_what_it_may_and_no_more(dsn: str, admin: str, monkeypatch, role: Role, needed: Role) -> None:
    with closing(Journal(dsn)) as journal:
        token = tokens.create(journal, f"some-{role}", role)
    order = list(Role)
    if order.index(role) >= order.index(needed):
        assert access(dsn, monkeypatch, token, needed).startswith(f"some-{role}@")
    else:
        with pytest.raises(Forbidden, match=f"needs the role {needed}"):
            access(dsn, monkeypatch, token, needed)


def test_from_the_first_token_on_nobody_acts_without_one(dsn: str, admin: str, monkeypatch) -> None:
    with pytest.raises(Forbidden, match="nobody may without FIG_TOKEN"):
        access(dsn, monkeypatch, "", Role.VIEWER)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: "x", lambda t: t + "x"]
)
def test_a_token_that_is_none_is_refused(dsn: str, admin: str, monkeypatch, change: Callable[[str], str]) -> None:
    with pytest.raises(Forbidden, match="is no token"):
        access(dsn, monkeypatch, change(admin), Role.VIEWER)


def test_a_revoked_token_is_none_and_the_last_admin_cannot_be(dsn: str, admin: str, monkeypatch) -> None:
    with closing(Journal(dsn)) as journal:
        operator = tokens.create(journal, "pipeline", Role.OPERATOR)
        access(dsn, monkeypatch, operator, Role.OPERATOR)
        tokens.revoke(journal, "pipeline")
        with pytest.raises(TokenRefused, match="last admin"):
            tokens.revoke(journal, "ada")
        with pytest.raises(TokenRefused, match="there is or was"):
            tokens.create(journal, "pipeline", Role.OPERATOR)
        assert [entry.kind for entry in journal.entries(tokens.SUBJECT)][-2:] == ["token-created", "token-revoked"]
    with pytest.raises(Forbidden):
        access(dsn, monkeypatch, operator, Role.VIEWER)


def test_the_first_token_is_an_admins(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with closing(Journal(dsn)) as journal, pytest.raises(TokenRefused, match="first one is an admin's"):
        tokens.create(journal, "ada", Role.VIEWER)


def test_no_secret_is_kept(dsn: str, admin: str) -> None:
    secret = admin.rpartition("_")[2]
    with psycopg.connect(dsn) as journal:
        kept = journal.execute("select token::text from fig.token union all select journal::text from fig.journal")
        assert not [row for row in kept.fetchall() if secret in row[0]]


def test_the_command_line_obeys_the_token_and_the_journal_names_it(world: World) -> None:
    world.bring_to(Stage.SYNC)
    try:
        ada = world.json("token", "create", "ada", "--role", "admin")["token"]
        viewer = world.json("token", "create", "eye", "--role", "viewer", FIG_TOKEN=ada)["token"]
        assert world.fig("advance", "parcels").returncode == Exit.FORBIDDEN
        said = world.fig("rollback", "parcels", FIG_TOKEN=viewer)
        assert (said.returncode, "needs the role operator" in said.stderr) == (Exit.FORBIDDEN, True)
        assert world.json("status", "parcels", FIG_TOKEN=viewer)["domains"][0]["stage"] == "sync"
        assert world.fig("sync", "stop", "parcels", "--reason", "a look", FIG_TOKEN=ada).returncode == Exit.OK
        assert world.fig("sync", "start", "parcels", FIG_TOKEN=ada).returncode == Exit.OK
        [entry] = [e for e in world.json("history", "parcels", FIG_TOKEN=ada)["entries"] if e["reason"] == "a look"]
        assert (entry["kind"], entry["actor"].partition("@")[0]) == ("stream-paused", "ada")
        assert world.fig("history", "--verify", FIG_TOKEN=viewer).returncode == Exit.OK
    finally:
        with world.journal() as journal:
            journal.execute("truncate fig.token")
