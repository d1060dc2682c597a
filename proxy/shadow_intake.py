"""Takes what nginx shows from a datagram socket into a bounded queue; whatever does not fit is dropped, and counted.

nginx never waits for us: a datagram that the socket has no room for is lost in nginx already (it is the difference
between nginx's fig_proxy_shadow_samples_total and what is counted here).
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from proxy.shadow_sample import LARGEST, Patterns, Sample, parse

QUEUE = 100
LATE = 5.0
"""Seconds after which a sample is too old to be asked: an identity lives a minute, a page's rows may have changed."""
_LISTEN = 0.2


@dataclass(frozen=True)
class Work:
    """A sample with the route that it belongs to."""

    sample: Sample
    route: str


class Rate:
    """At most so many a second, evenly for each route, so that a busy route leaves the others their share."""

    def __init__(self, per_second: float, routes: int) -> None:
        self._gap = max(1, routes) / per_second
        self._next: dict[str, float] = {}

    def allows(self, route: str, now: float) -> bool:
        if now < self._next.get(route, 0.0):
            return False
        self._next[route] = now + self._gap
        return True


class Intake:
    """Samples of all domains. `take` gives the next one that may still be asked."""

    def __init__(self, patterns: Mapping[str, Patterns], rates: Mapping[str, Rate]) -> None:
        self._patterns, self._rates = patterns, rates
        self._queue: queue.Queue[Work] = queue.Queue(QUEUE)
        self._lock = threading.Lock()
        self.dropped: Counter[tuple[str, str]] = Counter()
        """By domain and reason: undeclared, over-rate, queue-full, late. Unreadable ones have the domain `-`."""

    def put(self, datagram: bytes) -> None:
        sample = parse(datagram)
        if sample is None or sample.domain not in self._patterns:
            self.drop("-", "unreadable")
            return
        route = self._patterns[sample.domain].match(sample.path)
        if route is None:
            self.drop(sample.domain, "undeclared")
        elif not self._rates[sample.domain].allows(route, time.monotonic()):
            self.drop(sample.domain, "over-rate")
        else:
            try:
                self._queue.put_nowait(Work(sample, route))
            except queue.Full:
                self.drop(sample.domain, "queue-full")

    def take(self, seconds: float) -> Work | None:
        """The next one, or None after so long."""
        try:
            work = self._queue.get(timeout=seconds)
        except queue.Empty:
            return None
        if time.time() - work.sample.at > LATE:
            self.drop(work.sample.domain, "late")
            return None
        return work

    def drop(self, domain: str, reason: str) -> None:
        with self._lock:
            self.dropped[domain, reason] += 1

    def counts(self) -> Counter[tuple[str, str]]:
        """What was dropped so far."""
        with self._lock:
            return Counter(self.dropped)

    def listen(self, path: Path, stopped: Callable[[], bool]) -> None:
        """Read the socket at `path` until told to stop. It is made anew: nginx finds it again by itself."""
        with closing(_bound(path)) as listening:
            while not stopped():
                try:
                    datagram = listening.recv(LARGEST)
                except TimeoutError:
                    continue
                self.put(datagram)


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        listening.bind(str(path))
        # nginx's workers may be another user; the folder around it lets in nobody else.
        path.chmod(0o666)
        listening.settimeout(_LISTEN)
    except OSError:
        listening.close()
        raise
    return listening
