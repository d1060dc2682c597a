"""Switches with the changes travelling through Kafka: the broker that `fig up` brings, killed in between (I5, I6)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration_plan.lifecycle import Side
from tests.load.moving import Moving
from tests.support.stack import CATALOG_ONLY, Stack, running_stack

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def routed() -> Iterator[Stack]:
    yield from running_stack({"FIG_TRANSPORT": "kafka"}, *CATALOG_ONLY)


def test_a_domain_goes_there_and_back_and_again_after_the_death_of_the_broker(routed: Stack) -> None:
    moving = Moving(routed)
    moving.begin_sync()
    moving.give_to(Side.MONOLITH)
    for forward in (True, False):
        moving.switch(forward=forward)
    former = routed.kill("kafka")
    routed.wait_until_back("kafka", former)
    for forward in (True, False):
        moving.wait_until_settled()
        moving.switch(forward=forward)
    assert moving.differences() == 0
