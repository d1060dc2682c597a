"""What `fig status DOMAIN` says, kept for a few seconds: its gates cost a probe through both streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from migration_plan.console.glance import Glance
from migration_plan.moving.domain_status import Standing, standing
from migration_plan.parts import Parts

FRESH = 8.0
"""Seconds for which the gates are shown as they were."""
PATIENCE = 5.0
"""Seconds for which a page waits for them."""


class Standings:
    """One look for everybody who asks at the same time."""

    def __init__(self, parts: Sequence[Parts], look: Callable[[Parts], Standing] = standing) -> None:
        self._parts = {one.domain: one for one in parts}
        self._glances = {one.domain: Glance(partial(look, one)) for one in parts}

    def now(self, domain: str, most: float = FRESH) -> Standing | None:
        """At most so many seconds old, or said to be older; None: nothing has answered yet.

        Raises what the journal's absence raises.
        """
        seen, age = self._glances[domain].now(most, PATIENCE)
        if seen is None or age <= most + PATIENCE:
            return seen
        return replace(seen, trouble=f"no answer any more; this is {age:.0f} s old")

    def parts(self, domain: str) -> Parts:
        """For what is safe for several threads: the journal, and stores of their own."""
        return self._parts[domain]

    def forget(self, domain: str) -> None:
        """Whatever was seen is over."""
        self._glances[domain].forget()
