"""A controller that dies or freezes on any line of the switch, while people shop: somebody else finishes or takes back.

Each case: one owner again, nothing acknowledged lost, nothing applied twice, and the row of the recovery table that was
meant to be taken was taken.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator
from typing import Any

import pytest

from migration_plan.lifecycle import Side
from migration_plan.switching.switch import CHECKPOINTS
from tests.faults.arena import Arena
from tests.support.faults import Controller
from tests.support.stack import Stack

# Who owns in the end, and the recovery that brings it about. Until the release it is taken back, after it finished.
BACK, FORWARD = "giver", "taker"
EXPECTED: dict[str, tuple[str, str | None]] = {
    "before-intent": (BACK, None),
    "after-intent": (BACK, "nothing-happened"),
    "after-hold": (BACK, "nothing-happened"),
    "after-requests": (BACK, "nothing-happened"),
    "after-fence": (BACK, "abort"),
    "after-drain": (BACK, "abort"),
    "after-release": (FORWARD, "finish-grant"),
    "after-grant": (FORWARD, "finish-route"),
    "after-route": (FORWARD, "finish-route"),
    "after-reverse": (FORWARD, "finish-route"),
    "after-done": (FORWARD, None),
}


def alternately(first: int, some: Collection[str] = CHECKPOINTS) -> list[Any]:
    """Each of `some` checkpoints in one direction, and the next one in the other; `make proof` takes all, and both."""
    found = []
    for number, checkpoint in enumerate(CHECKPOINTS, first):
        for turn, (giver, way) in enumerate(zip(Side, ("cutover", "rollback"), strict=True)):
            marks = [] if number % 2 == turn and checkpoint in some else [pytest.mark.full]
            found.append(pytest.param(checkpoint, giver, id=f"{checkpoint}-{way}", marks=marks))
    return found


@pytest.fixture(scope="module")
def arena(stack: Stack) -> Iterator[Arena]:
    with Arena(stack, "controllers") as arena:
        yield arena


def test_every_checkpoint_of_the_switch_is_in_the_matrix() -> None:
    assert list(EXPECTED) == list(CHECKPOINTS)


@pytest.mark.parametrize(("checkpoint", "giver"), alternately(1))
def test_a_killed_controller_leaves_one_owner_and_loses_nothing(arena: Arena, checkpoint: str, giver: Side) -> None:
    since = arena.prepare(giver)
    with arena.people():
        with arena.controller(giver, checkpoint, signal.SIGKILL) as controller:
            controller.wait_until_struck()
        arena.moving.wait_until_settled()
    end, recovery = EXPECTED[checkpoint]
    assert arena.moving.recoveries(since) == ([recovery] if recovery else [])
    assert arena.moving.owner() is (giver if end == BACK else giver.other)
    arena.expect_no_broken_promise()


# Who is killed in one direction is frozen in the other; in CI where something has just changed hands.
@pytest.mark.parametrize(
    ("checkpoint", "giver"),
    alternately(0, ("after-fence", "after-release")),
)
def test_a_frozen_controller_is_replaced_and_does_no_harm_when_it_wakes(
    arena: Arena, checkpoint: str, giver: Side
) -> None:
    since = arena.prepare(giver)
    end, recovery = EXPECTED[checkpoint]
    with arena.people():
        with arena.controller(giver, checkpoint, signal.SIGSTOP) as controller:
            controller.wait_until_struck()
            if recovery:
                arena.wait_until_recovered(since)
                arena.moving.wait_until_settled()
            controller.thaw()
            controller.wait_until_ended()
            said = controller.words()
        arena.moving.wait_until_settled()
    owner = arena.moving.owner()
    if recovery:
        assert arena.moving.recoveries(since)[:1] == [recovery], said
        assert owner is (giver if end == BACK else giver.other), said
    arena.expect_no_broken_promise()


def test_without_its_journal_a_fenced_domain_is_taken_back_by_the_rows_alone(arena: Arena) -> None:
    """The controller is dead and the journal's database does not answer."""
    arena.prepare(Side.MONOLITH)
    with arena.people():
        with arena.controller(Side.MONOLITH, "after-fence", signal.SIGSTOP) as controller:
            controller.wait_until_struck()
            with arena.journal_away():
                _kill(controller)
                arena.wait_until_owner(Side.MONOLITH)
        arena.moving.wait_until_settled()
    assert arena.moving.owner() is Side.MONOLITH
    arena.expect_no_broken_promise()


def _kill(controller: Controller) -> None:
    controller.process.kill()
    controller.process.wait()
