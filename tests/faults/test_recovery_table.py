"""The rows of the recovery table in which nobody can own for a while, or a database came back from the past."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from migration_plan.lifecycle import Side
from migration_plan.local.supervise import Supervisor
from tests.faults.arena import Arena, server_of
from tests.support.stack import Stack
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def arena(stack: Stack) -> Iterator[Arena]:
    with Arena(stack, "recovery") as arena:
        yield arena


@contextmanager
def server_away(arena: Arena, side: Side) -> Iterator[None]:
    """The side's PostgreSQL is stopped and not started again while the block runs."""
    name, supervisor = server_of(side), Supervisor(arena.stack.state)
    pid = arena.stack.pid(name)
    supervisor.stop_program(name)
    wait_until(lambda: not supervisor.all_info()[name]["pid"], 30, f"{name} (pid {pid}) stopped")
    try:
        yield
    finally:
        supervisor.start_program(name)
        arena.stack.wait_until_back(name, pid)


def resumed(arena: Arena) -> tuple[int, str]:
    """`fig resume`: its exit code and the row of the table that it took."""
    done = arena.stack.fig("resume", arena.moving.domain, "--json")
    return done.returncode, str(json.loads(done.stdout).get("case"))


@pytest.mark.parametrize("giver", [Side.MONOLITH, pytest.param(Side.SERVICE, marks=pytest.mark.full)])
def test_a_taker_that_is_away_after_the_decision_is_waited_for(arena: Arena, giver: Side) -> None:
    """Released and not granted, and the taker cannot be read: the only case in which nobody can own."""
    arena.prepare(giver)
    with arena.people():
        with arena.controller(giver, "after-release", signal.SIGSTOP) as controller:
            controller.wait_until_struck()
            with server_away(arena, giver.other):
                controller.process.kill()
                assert resumed(arena) == (1, "wait-for-taker")
                if giver is Side.SERVICE:  # Else the journal is away, too.
                    [seen] = json.loads(arena.stack.fig("status", arena.moving.domain, "--json").stdout)["domains"]
                    assert seen["unsettled"].startswith("wait-for-taker")
                    assert seen["next_steps"] == [f"fig resume {arena.moving.domain}"]
        arena.moving.wait_until_settled()
    assert arena.moving.owner() is giver.other
    arena.expect_no_broken_promise()


@pytest.mark.parametrize("owner", [pytest.param(Side.MONOLITH, marks=pytest.mark.full), Side.SERVICE])
def test_an_owner_that_cannot_be_read_is_waited_for(arena: Arena, owner: Side) -> None:
    arena.prepare(owner)
    with server_away(arena, owner):
        code, case = resumed(arena)
        assert code != 0
        assert case in ("unknown", "None")
    arena.moving.wait_until_settled()
    assert arena.moving.owner() is owner
    arena.expect_no_broken_promise()


@pytest.mark.parametrize("owner", list(Side), ids=["monolith-owns", "service-owns"])
def test_a_side_that_comes_back_as_owner_from_the_past_is_fenced_and_the_alarm_rings(arena: Arena, owner: Side) -> None:
    """As after a restore: the row says owner at an epoch that is over, and the fence is down.

    Nobody shops before it is closed again: a program that writes there without the proxy (the monolith's checkout
    takes stock) believes the row, and what it writes to the past is for a person to look at, not for us to merge.
    """
    since = arena.prepare(owner)
    with psycopg.connect(arena.admin_dsn(owner.other), autocommit=True) as past:
        past.execute(
            "update fig.domain set state = 'owner', epoch = epoch - 1 where domain = %s", [arena.moving.domain]
        )
    arena.moving.wait_until_settled()
    assert "two-owners" in arena.moving.recoveries(since)
    with arena.people():
        arena.wait_for_writes(20)
    assert arena.moving.owner() is owner
    # Two rows did say owner for a moment: the checker has to see that, and nothing else.
    assert {violation.promise for violation in arena.new_violations()} == {"I1"}


def test_a_domain_that_nobody_claims_is_never_guessed(arena: Arena) -> None:
    arena.prepare(Side.MONOLITH)
    with psycopg.connect(arena.admin_dsn(Side.MONOLITH), autocommit=True) as connection:
        connection.execute("update fig.domain set state = 'standby' where domain = %s", [arena.moving.domain])
        try:
            assert resumed(arena) == (1, "nobody")
            assert [str(side.state) for side in arena.watched.shop.sides()] == ["standby", "standby"]
        finally:
            connection.execute("update fig.domain set state = 'owner' where domain = %s", [arena.moving.domain])
    arena.moving.wait_until_settled()
    assert arena.moving.owner() is Side.MONOLITH
