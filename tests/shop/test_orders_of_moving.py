"""Four domains can leave in any order, and come back: at each combination of owners the shop is the same shop."""

from __future__ import annotations

import itertools
import os

import pytest

from migration_plan.lifecycle import Side
from tests.shop.owners import DOMAINS, Owners
from tests.shop.story import Town
from tests.support.stack import Stack

EVERY = tuple(itertools.permutations(DOMAINS))
# In CI one of them and its reverse: each pair of domains in both orders.
CHOSEN = EVERY if os.environ.get("FIG_PROOF") == "full" else (EVERY[0], EVERY[-1])


@pytest.fixture(scope="module")
def town(stack: Stack, owners: Owners) -> Town:
    """Founded while everything is the monolith's."""
    owners.divide(())
    return Town(stack)


@pytest.mark.parametrize("order", CHOSEN, ids="-".join)
def test_the_shop_is_the_same_whatever_moved_first(owners: Owners, town: Town, order: tuple[str, ...]) -> None:
    owners.forget_limits()
    town.day()
    for domain in order:
        owners.give(domain, Side.SERVICE)
        owners.forget_limits()
        town.day()
    assert owners.differences() == 0
    town.books_are_right()
    owners.divide(())


def test_no_log_names_anybody(stack: Stack, town: Town) -> None:
    """After all of this: no address, number, password, code or secret in what any process of ours has written."""
    outside = {"stripe", "twilio", "mail"}
    logs = [log for log in (stack.state / "logs").glob("*.log") if log.stem not in outside]
    logs += (stack.state / "nginx").glob("*.log")
    written = {log.name: log.read_text(encoding="utf-8", errors="replace") for log in logs}
    assert len(written) > 15
    told = [(name, secret) for name, text in written.items() for secret in town.secrets() if secret in text]
    assert not told, told[:10]
