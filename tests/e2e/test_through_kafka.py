"""The same switches with the changes travelling through Kafka: the broker that `fig up` brings, killed in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.test_switches import PROMISED, switch_to_and_fro
from tests.load.moving import Moving
from tests.support.stack import CATALOG_ONLY, Stack, running_stack

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def routed() -> Iterator[Stack]:
    yield from running_stack({"FIG_TRANSPORT": "kafka"}, *CATALOG_ONLY)


def test_a_domain_goes_there_and_back_and_nobody_notices(routed: Stack) -> None:
    switches = switch_to_and_fro(routed, 6)
    assert switches.failed == []
    assert [promise for promise in PROMISED if switches.verdict.word(promise) != "kept"] == []
    assert Moving(routed).differences() == 0


def test_after_the_death_of_the_broker_it_goes_on_by_itself(routed: Stack) -> None:
    former = routed.kill("kafka")
    routed.wait_until_back("kafka", former)
    switches = switch_to_and_fro(routed, 2)
    assert switches.failed == []
    assert Moving(routed).differences() == 0
