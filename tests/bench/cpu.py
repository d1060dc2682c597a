"""The CPU that processes use, by what they are."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress

import psutil

LOOK_EVERY = 0.05


class Meter(threading.Thread):
    """CPU of processes and their children, looked at often: not every kernel adds up what has ended."""

    def __init__(self, **parents: int) -> None:
        """Process ids by the names under which their families are counted; a server's walsenders are counted apart."""
        super().__init__()
        self._parents = {name: psutil.Process(pid) for name, pid in parents.items()}
        self._done = threading.Event()
        self._kind: dict[int, str] = {}
        self._last: dict[int, float] = {}
        self._before: dict[int, float] = {}

    def __enter__(self) -> Meter:
        self._look()
        self._before = dict(self._last)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()
        self._look()

    def seconds(self) -> Mapping[str, float]:
        """By name of the family; `walsender` for what sends the log to readers."""
        used: dict[str, float] = dict.fromkeys(self._kind.values(), 0.0)
        for pid, last in self._last.items():
            used[self._kind[pid]] += last - self._before.get(pid, 0.0)
        return used

    def run(self) -> None:
        while not self._done.wait(LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        for name, parent in self._parents.items():
            for process in (parent, *parent.children()):
                with suppress(psutil.NoSuchProcess):
                    if self._kind.get(process.pid) != "walsender":
                        # A server's child has its parent's title until it knows what it is.
                        self._kind[process.pid] = "walsender" if " walsender " in " ".join(process.cmdline()) else name
                    times = process.cpu_times()
                    self._last[process.pid] = times.user + times.system


class Share:
    """CPU of one transaction (or request), by kind; microseconds."""

    def __init__(self, meter: Meter, count: int) -> None:
        self._each = {kind: seconds * 1e6 / count for kind, seconds in meter.seconds().items()}

    @property
    def total(self) -> float:
        return sum(self._each.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{kind} {micros:,.0f}" for kind, micros in sorted(self._each.items()) if micros >= 0.5)
        return f"{self.total:,.0f} µs ({parts})"
