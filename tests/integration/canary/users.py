"""Users who write and read at once, and a checker that knows what each of them must see."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie


@dataclass
class Seen:
    """What came of it, of all users together."""

    stale: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    reads: Counter[str] = field(default_factory=Counter)
    """By the side that answered."""
    writes: int = 0


@dataclass
class User:
    """One with a row of their own, who writes about every `pause` seconds and reads all the time.

    `forgets_marks`: the proof that the checker sees what it is for.
    """

    number: int
    proxies: Sequence[str]
    seen: Seen
    stop: threading.Event
    pause: float
    forgets_marks: bool = False
    cookies: dict[str, str] = field(default_factory=dict)
    wrote: int = 0

    def run(self) -> None:
        chance = random.Random(self.number)
        connections = {proxy: http.client.HTTPConnection(proxy, timeout=30) for proxy in self.proxies}
        due = time.monotonic()
        try:
            while not self.stop.wait(0.03):
                if time.monotonic() >= due:
                    self._write(connections[chance.choice(self.proxies)])
                    due = time.monotonic() + chance.uniform(0.5, 1.5) * self.pause
                for _ in range(2):
                    self._read(connections[chance.choice(self.proxies)])
        except OSError as error:
            self.seen.failed.append(f"user {self.number}: {error!r}")
        finally:
            for connection in connections.values():
                connection.close()

    def _write(self, connection: http.client.HTTPConnection) -> None:
        value = self.wrote + 1
        if self._ask(connection, "POST", f"?place={value}"):
            self.wrote = value
            self.seen.writes += 1

    def _read(self, connection: http.client.HTTPConnection) -> None:
        body = self._ask(connection, "GET", "")
        if body:
            side, _, place = body.partition(" ")
            self.seen.reads[side] += 1
            if int(place) < self.wrote:
                self.seen.stale.append(f"user {self.number} wrote {self.wrote} and was shown {place} by the {side}")

    def _ask(self, connection: http.client.HTTPConnection, method: str, query: str) -> str:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, f"/api/parcels/{self.number}{query}", headers={"Cookie": cookie})
        answer = connection.getresponse()
        body = answer.read().decode()
        for header in answer.headers.get_all("Set-Cookie") or ():
            for name, morsel in SimpleCookie(header).items():
                if name != "fig_mark" or not self.forgets_marks:
                    self.cookies[name] = morsel.value
        if answer.status != 200:
            self.seen.failed.append(f"user {self.number}: {method} {answer.status} {body}")
            return ""
        return body


@contextmanager
def busy(count: int, proxies: Sequence[str], pause: float, forgets_marks: bool = False) -> Iterator[Seen]:
    """So many users at work, each with their own row, for the length of the block."""
    seen, stop = Seen(), threading.Event()
    users = [User(number, proxies, seen, stop, pause, forgets_marks) for number in range(1, count + 1)]
    threads = [threading.Thread(target=user.run, daemon=True) for user in users]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(40)
