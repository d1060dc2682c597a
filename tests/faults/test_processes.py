"""Whoever else dies in the middle of a switch while people shop: one owner, nothing lost, nothing twice."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator

import pytest

from migration_plan.lifecycle import Side
from migration_plan.switching.switch import CHECKPOINTS
from tests.faults.arena import Arena, server_of
from tests.support.stack import Stack

SERVERS = ("pg-monolith", "pg-services")
VICTIMS = ("nginx", "streams", "catalog-1", "monolith", "monolith-jobs", "controller", "rabbitmq", *SERVERS)
# Where each death hurts most: rows are on their way, or the decision has just fallen.
WORST = {"after-fence": VICTIMS}


@pytest.fixture(scope="module")
def arena(stack: Stack) -> Iterator[Arena]:
    with Arena(stack, "processes") as arena:
        yield arena


def cases() -> Iterator[object]:
    """The worst ones in one direction, or the other; every step and both at full size."""
    for number, (checkpoint, victim) in enumerate(itertools.product(CHECKPOINTS, VICTIMS)):
        for giver, direction in ((Side.MONOLITH, "cutover"), (Side.SERVICE, "rollback")):
            is_taken = (number % 2 == 0) is (giver is Side.MONOLITH)
            marks = [] if is_taken and victim in WORST.get(checkpoint, ()) else [pytest.mark.full]
            yield pytest.param(checkpoint, victim, giver, marks=marks, id=f"{victim}-{checkpoint}-{direction}")


@pytest.mark.parametrize(("checkpoint", "victim", "giver"), list(cases()))
def test_whoever_dies_during_a_switch_nothing_is_lost(arena: Arena, checkpoint: str, victim: str, giver: Side) -> None:
    arena.prepare(giver)
    # An immediate stop is a server's crash: nothing is flushed, nobody is told.
    number = signal.SIGQUIT if victim in SERVERS else signal.SIGKILL
    former = arena.stack.pid(victim)
    with arena.people():
        with arena.controller(giver, checkpoint, number, victim=former) as controller:
            controller.wait_until_victim_struck()
        arena.stack.wait_until_back(victim, former)
        arena.moving.wait_until_settled()
    arena.expect_no_broken_promise()


@pytest.mark.parametrize("owner", [pytest.param(Side.MONOLITH, marks=pytest.mark.full), Side.SERVICE])
@pytest.mark.parametrize(
    # The others die at the worst moment of a switch, above.
    "victim",
    [pytest.param(v, marks=[] if v in ("streams", *SERVERS) else [pytest.mark.full]) for v in VICTIMS],
)
def test_whoever_dies_at_rest_nothing_is_lost(arena: Arena, victim: str, owner: Side) -> None:
    arena.prepare(owner)
    with arena.people():
        arena.wait_for_writes(10)
        former = arena.stack.kill(victim, signal.SIGQUIT if victim in SERVERS else signal.SIGKILL)
        arena.stack.wait_until_back(victim, former)
        arena.wait_for_writes(10)
    assert arena.moving.owner() is owner
    arena.expect_no_broken_promise()


@pytest.mark.parametrize("giver", [pytest.param(Side.MONOLITH, marks=pytest.mark.full), Side.SERVICE])
def test_rows_that_were_applied_but_not_flushed_come_again(arena: Arena, giver: Side) -> None:
    """The taker crashes after the drain was seen, and comes back without the rows that the drain had counted."""
    taker = server_of(giver.other)
    arena.prepare(giver)
    former = arena.stack.pid(taker)
    with arena.people(), arena.nothing_flushed(giver.other):
        with arena.controller(giver, "after-drain", signal.SIGQUIT, victim=former) as controller:
            arena.wait_for_unflushed(giver.other)
            controller.wait_until_victim_struck()
        arena.stack.wait_until_back(taker, former)
        arena.moving.wait_until_settled()
    arena.expect_no_broken_promise()
