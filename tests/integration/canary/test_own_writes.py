"""I7 through a whole canary and a switch: nobody is shown an older row than the one they wrote.

Two proxies, real streams that are made slow, and applications that know nothing of it.
"""

from __future__ import annotations

import pytest

from migration_plan.canary import acts
from migration_plan.lifecycle import Stage
from tests.integration.canary.parcels import Parcels, parcels
from tests.integration.canary.users import Seen, busy
from tests.support.waiting import wait_until

__all__ = ["parcels"]


def reads(seen: Seen, side: str, more: int) -> None:
    """Users go on reading, so many times more from this side."""
    before = seen.reads[side]
    wait_until(lambda: seen.failed or seen.reads[side] >= before + more, 120, f"{more} more reads from the {side}")


def through_a_canary(world: Parcels, seen: Seen, each: int) -> None:
    """From 0 to 100 %."""
    reads(seen, "monolith", each)
    world.move(Stage.CANARY)
    for share in (5000, 10_000):
        with world.parts() as parts:
            assert not acts.set_share(parts, share).silent
        reads(seen, "service", each)


def no_stale_own_read(world: Parcels, users: int, delay: float, each: int) -> None:
    world.move(Stage.SYNC)
    world.delay[0] = delay
    with busy(users, world.addresses, 4 * delay) as seen:
        through_a_canary(world, seen, each)
        kept = world.figure("fig_proxy_canary_own_writes_total")
        assert seen.stale == []
        world.move(Stage.SERVICE)
        reads(seen, "service", each)
    assert seen.failed == []
    assert seen.stale == []
    assert kept > 0, "some reads were of users whose writes the service had not yet"
    assert seen.writes > users


def test_no_user_is_shown_an_older_row_than_their_own_through_a_canary_and_a_switch(parcels: Parcels) -> None:
    no_stale_own_read(parcels, 12, 0.5, 100)


@pytest.mark.full
def test_no_user_of_fifty_is_shown_an_older_row_with_an_apply_delay_of_two_seconds(parcels: Parcels) -> None:
    no_stale_own_read(parcels, 50, 2.0, 1000)


def test_the_checker_sees_stale_reads_once_the_mark_is_switched_off(parcels: Parcels) -> None:
    parcels.move(Stage.SYNC)
    parcels.delay[0] = 0.5
    with busy(12, parcels.addresses, 1.0, forgets_marks=True) as seen:
        through_a_canary(parcels, seen, 100)
    assert seen.failed == []
    assert seen.stale
