"""What `fig status DOMAIN` says, kept for a few seconds: its gates cost a probe through both streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from migration_plan.domain_status import Standing, standing
from migration_plan.parts import Parts

FRESH = 8.0
"""Seconds for which the gates are shown as they were."""


class Standings:
    """One look for everybody who asks at the same time."""

    def __init__(self, parts: Sequence[Parts]) -> None:
        self._parts = {one.domain: one for one in parts}
        self._locks = {one.domain: threading.Lock() for one in parts}
        self._seen: dict[str, tuple[float, Standing]] = {}

    def now(self, domain: str, most: float = FRESH) -> Standing:
        """At most so many seconds old; raises what the journal's absence raises."""
        with self._locks[domain]:
            at, known = self._seen.get(domain, (0.0, None))
            if known is None or time.monotonic() - at > most:
                known = standing(self._parts[domain])
                self._seen[domain] = (time.monotonic(), known)
            return known

    def parts(self, domain: str) -> Parts:
        """For what is safe for several threads: the journal, and stores of their own."""
        return self._parts[domain]

    def forget(self, domain: str) -> None:
        """Whatever was seen is over."""
        with self._locks[domain]:
            self._seen.pop(domain, None)
