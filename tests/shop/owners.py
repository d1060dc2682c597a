"""Who owns what in the whole shop, and one address from which more people come than the shop lets in."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from migration_plan.lifecycle import Side
from tests.load.moving import Moving
from tests.support.stack import Stack

DOMAINS = ("catalog", "notifications", "payments", "users")
LIMITS = {
    Side.MONOLITH: ("FIG_MONOLITH_ADMIN_DSN", "rate_limits"),
    Side.SERVICE: ("FIG_USERS_ADMIN_DSN", "rate_limit"),
}


class Owners:
    """All domains at `sync` or beyond."""

    def __init__(self, stack: Stack) -> None:
        self.moving = {domain: Moving(stack, domain) for domain in DOMAINS}
        for moving in self.moving.values():
            moving.begin_sync()

    def give(self, domain: str, side: Side) -> None:
        self.moving[domain].give_to(side)

    def divide(self, services: Iterable[str]) -> None:
        """These domains to their services, all others to the monolith."""
        away = frozenset(services)
        for domain in DOMAINS:
            self.give(domain, Side.SERVICE if domain in away else Side.MONOLITH)

    def differences(self) -> int:
        return sum(moving.differences() for moving in self.moving.values())

    def forget_limits(self) -> None:
        """All people of these tests come from one address, which may not ask for that many codes and accounts."""
        users = self.moving["users"]
        dsn, table = LIMITS[users.owner()]
        with psycopg.connect(users.stack.env[dsn], autocommit=True) as connection:
            connection.execute(f"delete from {table}".encode())
