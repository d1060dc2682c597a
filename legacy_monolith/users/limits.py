"""Rate limits in the database, the same for all processes, and exact however many ask at once.

Each key has one moment at which everything used is given back. A use moves it on by one share; it is refused if that
would be too far ahead. One statement looks and moves under the row's lock, so nobody can slip in between.
The keys are digests: who was counted cannot be read from the table.
"""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass
from datetime import timedelta

from flask import current_app, request
from sqlalchemy import text

from legacy_monolith.database import db
from legacy_monolith.errors import TooManyRequests
from legacy_monolith.users.addresses import client_address

# clock_timestamp(): who waited for the row goes on later than those before, whenever their transactions began.
_TAKE = text("""
    insert into rate_limits as used (key, free_at) values (:key, clock_timestamp() + :share)
    on conflict (key) do update set free_at = greatest(used.free_at, clock_timestamp()) + :share
    where greatest(used.free_at, clock_timestamp()) + :share <= clock_timestamp() + :room
    returning key
""")
_LEFT = text("select free_at - clock_timestamp() from rate_limits where key = :key")
_GIVE_BACK = text("update rate_limits set free_at = free_at - :share where key = :key")
_FORGET = text("delete from rate_limits where free_at < clock_timestamp()")


@dataclass(frozen=True)
class Limit:
    """So many at once, and one more each time its share of time has passed."""

    name: str
    at_once: int
    share: timedelta

    @property
    def room(self) -> timedelta:
        return self.at_once * self.share

    def use_by(self, subject: object) -> Use:
        secret: str = current_app.config["SECRET_KEY"]
        digest = hmac.digest(secret.encode(), f"rate limit:{self.name}:{subject}".encode(), "sha256")
        return Use(self, f"{self.name}:{digest[:16].hex()}")

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


def take(*uses: Use) -> None:
    """All of them or, with 429, none. The caller commits before anything that may fail or take long."""
    waits = []
    # In one order, so that no two requests wait for each other.
    for use in sorted(uses, key=lambda use: use.key):
        limit = use.limit
        given = {"key": use.key, "share": limit.share, "room": limit.room}
        if db.session.execute(_TAKE, given).first() is None:
            left = db.session.execute(_LEFT, {"key": use.key}).scalar()
            waits.append(limit.wait(left or timedelta()))
    if waits:
        db.session.rollback()
        raise TooManyRequests(f"Too many attempts. The next one is possible in {max(waits)} s.", max(waits))


def give_back(*uses: Use) -> None:
    for use in sorted(uses, key=lambda use: use.key):
        db.session.execute(_GIVE_BACK, {"key": use.key, "share": use.limit.share})


def forget() -> None:
    """Rows that say nothing any more."""
    db.session.execute(_FORGET)


def address() -> str:
    """Where this request came from."""
    forwarded = request.headers.get("X-Real-IP", "")
    return client_address(request.remote_addr or "", forwarded, current_app.config["TRUSTED_PROXIES"])
