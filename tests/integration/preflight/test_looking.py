"""Preflight of a move looks through the sessions that the move has: it sees the same, and changes as little."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace

import psycopg
import pytest

from migration_plan.configuration.plan import Plan
from migration_plan.lifecycle import Act, Side
from migration_plan.preflight import Inspection, inspect, judge_databases
from migration_plan.sides.side import SideDatabase
from tests.awkward.databases import Databases
from tests.integration.preflight.conftest import Trial, fingerprint


@pytest.fixture
def sides(trial: Trial) -> Iterator[dict[Side, SideDatabase]]:
    with ExitStack() as opened:
        yield {side: opened.enter_context(closing(SideDatabase(side, trial.plan().sides[side].dsn))) for side in Side}


def through(sides: dict[Side, SideDatabase], plan: Plan) -> Inspection:
    return inspect(plan, looks={side: database.looking() for side, database in sides.items()})


def test_a_look_through_a_sides_own_session_sees_what_one_of_its_own_sees(
    trial: Trial, awkward: Databases, sides: dict[Side, SideDatabase]
):
    plan, before = trial.plan(), fingerprint(awkward)
    assert through(sides, plan) == inspect(plan)
    assert fingerprint(awkward) == before


def test_a_look_may_write_nothing_waits_little_and_leaves_the_session_as_it_was(sides: dict[Side, SideDatabase]):
    side = sides[Side.MONOLITH]
    settings = "select array_agg(setting order by name) as all from pg_settings"
    with side.connection() as connection:
        before = connection.execute(settings).fetchone()
    with side.looking() as connection:
        assert connection.execute("show lock_timeout").fetchone() == {"lock_timeout": "1s"}
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), side.looking() as connection:
        connection.execute("create table somewhere (id int)")
    with side.connection() as connection:
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.execute(settings).fetchone() == before


def test_a_side_that_does_not_answer_its_own_session_is_a_fact(trial: Trial, sides: dict[Side, SideDatabase]):
    plan = trial.plan()
    away = SideDatabase(Side.SERVICE, psycopg.conninfo.make_conninfo(plan.sides[Side.SERVICE].dsn, port=1))
    found = through({**sides, Side.SERVICE: away}, plan)
    assert found.service.unreachable
    assert [one.code for one in judge_databases(plan, Act.SWITCH, replace(found, lens_problems=()))].count(
        "side-unreachable"
    ) == 1


def test_what_the_dsn_says_of_the_session_holds_for_a_look_too(trial: Trial):
    """A role or a search path that a plan's dsn sets is what our sessions run with: a look must judge the same."""
    dsn = trial.databases.variables["FIG_ACME_DSN"]
    plan = trial.plan(FIG_ACME_DSN=psycopg.conninfo.make_conninfo(dsn, options="-c search_path=acme"))
    with closing(SideDatabase(Side.MONOLITH, plan.sides[Side.MONOLITH].dsn)) as side, side.looking() as connection:
        path = connection.execute("show search_path").fetchone()
    assert path == {"search_path": "acme"}
    views = inspect(plan).monolith.views
    assert views
    assert not any(view.startswith("acme.") for view in views)
