"""Four domains can leave in any order, and come back: at each combination of owners the shop is the same shop."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass

import psycopg
import pytest

from migration_plan.lifecycle import Side
from tests.load.moving import Moving
from tests.shop.story import Town
from tests.support.stack import Stack

DOMAINS = ("catalog", "notifications", "payments", "users")
EVERY = tuple(itertools.permutations(DOMAINS))
# In CI as many as show every domain first and last, each pair of domains in both orders, and all 16 combinations.
CHOSEN = EVERY if os.environ.get("FIG_PROOF") == "full" else (*EVERY[0:5:4], *EVERY[11:16:2], EVERY[23])
LIMITS = {
    Side.MONOLITH: ("FIG_MONOLITH_ADMIN_DSN", "rate_limits"),
    Side.SERVICE: ("FIG_USERS_ADMIN_DSN", "rate_limit"),
}


@dataclass
class Shop:
    town: Town
    moving: dict[str, Moving]

    def give(self, domain: str, side: Side) -> None:
        self.moving[domain].give_to(side)

    def day(self) -> None:
        """All people of this town come from one address, which may not ask for that many codes and accounts."""
        users = self.moving["users"]
        dsn, table = LIMITS[users.owner()]
        with psycopg.connect(users.stack.env[dsn], autocommit=True) as connection:
            connection.execute(f"delete from {table}".encode())
        self.town.day()


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Shop:
    """All domains at `sync`."""
    shop = Shop(Town(stack), {domain: Moving(stack, domain) for domain in DOMAINS})
    for moving in shop.moving.values():
        moving.begin_sync()
    return shop


@pytest.mark.parametrize("order", CHOSEN, ids="-".join)
def test_the_shop_is_the_same_whatever_moved_first(shop: Shop, order: tuple[str, ...]) -> None:
    shop.day()
    for domain in order:
        shop.give(domain, Side.SERVICE)
        shop.day()
    for domain in order:
        assert shop.moving[domain].differences() == 0
    shop.town.books_are_right()
    for domain in order:
        shop.give(domain, Side.MONOLITH)


def test_no_log_names_anybody(stack: Stack, shop: Shop) -> None:
    """After all of this: no address, number, password, code or secret in what any process of ours has written."""
    outside = {"stripe", "twilio", "mail"}
    logs = [log for log in (stack.state / "logs").glob("*.log") if log.stem not in outside]
    logs += (stack.state / "nginx").glob("*.log")
    written = {log.name: log.read_text(encoding="utf-8", errors="replace") for log in logs}
    assert len(written) > 15
    told = [(name, secret) for name, text in written.items() for secret in shop.town.secrets() if secret in text]
    assert not told, told[:10]
