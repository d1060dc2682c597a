"""Rate limits in the database, the same for all processes and both sides, and exact however many ask at once.

Each key has one moment at which everything used is given back. A use moves it on by one share; it is refused if that
would be too far ahead. One statement looks and moves under the row's lock, so nobody can slip in between.
The keys are digests: who was counted cannot be read from the table.
"""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text

from extracted.platform.database import Database
from extracted.users.errors import TooManyRequests

# clock_timestamp(): who waited for the row goes on later than those before, whenever their transactions began.
_TAKE = text("""
    insert into rate_limit as used (key, free_at) values (:key, clock_timestamp() + :share)
    on conflict (key) do update set free_at = greatest(used.free_at, clock_timestamp()) + :share
    where greatest(used.free_at, clock_timestamp()) + :share <= clock_timestamp() + :room
    returning key
""")
_LEFT = text("select free_at - clock_timestamp() from rate_limit where key = :key")
_GIVE_BACK = text("update rate_limit set free_at = free_at - :share where key = :key")


@dataclass(frozen=True)
class Limit:
    """So many at once, and one more each time its share of time has passed."""

    name: str
    at_once: int
    share: timedelta

    @property
    def room(self) -> timedelta:
        return self.at_once * self.share

    def wait(self, left: timedelta) -> int:
        """Whole seconds until one more is allowed, if everything is given back in `left`."""
        return max(1, math.ceil((left + self.share - self.room).total_seconds()))


@dataclass(frozen=True)
class Use:
    limit: Limit
    key: str


# What counts is what fails: a right password or code gives its uses back.
PASSWORDS_OF_ACCOUNT = Limit("passwords-of-account", 10, timedelta(minutes=1))
PASSWORDS_FROM_ADDRESS = Limit("passwords-from-address", 50, timedelta(seconds=6))
CODES_OF_ACCOUNT = Limit("codes-of-account", 10, timedelta(minutes=3))
CODES_FROM_ADDRESS = Limit("codes-from-address", 50, timedelta(seconds=20))
# Messages cost money, and their receivers patience.
MESSAGE_PAUSE = Limit("message-pause", 1, timedelta(seconds=60))
MESSAGES_OF_ACCOUNT = Limit("messages-of-account", 5, timedelta(minutes=12))
MESSAGES_TO_NUMBER = Limit("messages-to-number", 5, timedelta(minutes=12))
MESSAGES_FROM_ADDRESS = Limit("messages-from-address", 20, timedelta(minutes=3))


class Limits:
    def __init__(self, database: Database, secret_key: str) -> None:
        self._database = database
        self._secret_key = secret_key

    def use(self, limit: Limit, subject: object) -> Use:
        digest = hmac.digest(self._secret_key.encode(), f"rate limit:{limit.name}:{subject}".encode(), "sha256")
        return Use(limit, f"{limit.name}:{digest[:16].hex()}")

    def take(self, *uses: Use) -> None:
        """All of them or, with 429, none; committed before anything that may fail or take long."""
        waits = []
        with self._database.write() as connection:
            # In one order, so that no two requests wait for each other.
            for use in sorted(uses, key=lambda use: use.key):
                given = {"key": use.key, "share": use.limit.share, "room": use.limit.room}
                if connection.execute(_TAKE, given).first() is None:
                    left = connection.execute(_LEFT, {"key": use.key}).scalar()
                    waits.append(use.limit.wait(left or timedelta()))
            if waits:
                raise TooManyRequests(max(waits))

    def give_back(self, *uses: Use) -> None:
        with self._database.write() as connection:
            give_back(connection, *uses)


def give_back(connection: Connection, *uses: Use) -> None:
    for use in sorted(uses, key=lambda use: use.key):
        connection.execute(_GIVE_BACK, {"key": use.key, "share": use.limit.share})
