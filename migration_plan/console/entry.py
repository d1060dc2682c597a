"""Who comes in: by a token of the journal, or by a ticket that `fig console link` has made for whoever runs it."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from migration_plan.journal.access import NEEDS, VARIABLE, Access, Forbidden, Role, identify, still
from migration_plan.journal.journal import Journal

TICKET_SECONDS = 120
"""How long a ticket lets in, once."""


@dataclass(frozen=True)
class Person:
    """Whoever looks at the page. `name`: of the token, or empty while there is none; `who`: for the journal."""

    name: str
    who: str
    role: Role

    @property
    def access(self) -> Access:
        return Access(self.name, self.role)

    def may(self, words: str) -> bool:
        """Whether they may give the command of these words."""
        return self.role.allows(NEEDS[words])


class Tickets:
    """Signed with the console's key, each for one use. They tell who comes; what they may do the journal tells."""

    def __init__(self, key: str) -> None:
        self._signer = URLSafeTimedSerializer(key, salt="fig-console-ticket")
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def make(self, name: str, who: str) -> str:
        return self._signer.dumps({"name": name, "who": who, "id": secrets.token_hex(8)})

    def take(self, ticket: str) -> tuple[str, str]:
        """Name and who; Forbidden when it is none, too old, or was used."""
        try:
            said = self._signer.loads(ticket, max_age=TICKET_SECONDS)
        except SignatureExpired:
            raise Forbidden("this link is too old", "fig console link") from None
        except BadSignature:
            raise Forbidden("this is no link of this console", "fig console link") from None
        with self._lock:
            now = time.monotonic()
            self._used = {one: at for one, at in self._used.items() if now - at < TICKET_SECONDS + 1}
            if said["id"] in self._used:
                raise Forbidden("this link was used before", "fig console link")
            self._used[said["id"]] = now
        return str(said["name"]), str(said["who"])


def by_token(journal: Journal, token: str) -> Person:
    """Whose token it is; Forbidden when it is none of this journal, or a revoked one."""
    if not token:
        raise Forbidden("no token was given", "fig token create, by an admin; or fig console link")
    with journal.session() as connection:
        access = identify(connection, {VARIABLE: token})
    assert access is not None  # noqa: S101 - only without a token nobody is told.
    return Person(access.name, access.name, access.role)


def again(journal: Journal, name: str, who: str) -> Person | None:
    """Somebody who has come in before, with the role they have now; None: they have none any more."""
    with journal.session() as connection:
        access = still(connection, name)
    return None if access is None else Person(name, who, access.role)


class Throttle:
    """So many failed attempts in so many seconds from one address, and ten times as many from all."""

    def __init__(self, most: int = 10, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._failed: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def failed(self, address: str) -> None:
        """One more."""
        with self._lock:
            self._failed.append((self._clock(), address))

    def wait(self, address: str) -> float:
        """For how many seconds this address has to wait before the next attempt; 0.0: not at all."""
        with self._lock:
            now = self._clock()
            while self._failed and now - self._failed[0][0] >= self._seconds:
                self._failed.popleft()
            own = [at for at, whose in self._failed if whose == address]
            if len(own) < self._most and len(self._failed) < 10 * self._most:
                return 0.0
            first = own[0] if len(own) >= self._most else self._failed[0][0]
            return self._seconds - (now - first)
