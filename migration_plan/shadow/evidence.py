"""What was seen so far, and what it is worth: one verdict for each route that the plan declares pure. Pure.

Which fields are noise is Diffy's rule, per route and field path: `raw` counts samples in which monolith and service
differ, `noise` those in which the monolith differs from itself; the field is noise unless raw > noise and they are
more than 20 % apart. (Diffy also leaves out fields that differ in fewer than 0.03 % of all requests; here the
confidence interval deals with rare ones.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from migration_plan.configuration.shadow_rules import ShadowRules
from migration_plan.shadow.confidence import trials_needed, upper_end

RELATIVE = 0.2


@dataclass(frozen=True)
class Field:
    """One field path of one route: in how many samples the service, and the monolith itself, differed."""

    raw: int = 0
    noise: int = 0

    @property
    def is_noise(self) -> bool:
        return self.raw <= self.noise or (self.raw - self.noise) / (self.raw + self.noise) <= RELATIVE


@dataclass(frozen=True)
class Group:
    """Samples that differed in exactly these fields, each field alike in both answers of the monolith."""

    paths: tuple[str, ...]
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Seen:
    """All that is known of one route. Counts are of samples."""

    compared: int = 0  # With an outcome; those that lag explained are among them.
    healed: int = 0
    lagging: int = 0
    void: int = 0
    too_large: int = 0
    impure: int = 0
    seconds: float = 0.0  # From the first to the last.
    age: float | None = None  # Seconds since the last.
    fields: Mapping[str, Field] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """One route's standing against the plan."""

    route: str
    seen: Seen
    mismatches: int
    upper: float
    """Upper end of the rate of mismatches and of samples that stayed undecided (lag)."""
    more: int | None
    """How many comparisons are still missing, if all are alike; None: no number of them would do."""
    why: str
    """Empty: the route is good."""

    @property
    def is_good(self) -> bool:
        return not self.why


def counted(paths: tuple[str, ...], seen: Seen, rules: ShadowRules) -> tuple[str, ...]:
    """Those of a group's fields that are held against the service: neither noise nor meant to differ."""
    return tuple(
        path
        for path in paths
        if not seen.fields.get(path, Field(1)).is_noise and not any(_is_within(path, known) for known in rules.ignore)
    )


def _is_within(path: str, known: str) -> bool:
    return path == known or path.startswith((f"{known}.", f"{known}["))


def verdict(route: str, seen: Seen, rules: ShadowRules) -> Verdict:
    """Whether this route's evidence is enough, and good enough."""
    mismatches = sum(group.count for group in seen.groups if counted(group.paths, seen, rules))
    cases, trials = mismatches + seen.lagging, seen.compared + seen.lagging
    upper = upper_end(cases, trials)
    hopeless = trials > 0 and cases / trials > rules.mismatches
    wanted = max(rules.comparisons, trials_needed(cases, rules.mismatches))
    more = None if hopeless else max(0, wanted - trials)
    return Verdict(route, seen, mismatches, upper, more, _why(seen, rules, cases, upper, more))


def _why(seen: Seen, rules: ShadowRules, cases: int, upper: float, more: int | None) -> str:
    trials = seen.compared + seen.lagging
    if seen.impure:
        return "it is not pure: a side wanted to write when it was asked"
    if more is None:
        undecided = f" ({seen.lagging} of them undecided: the service lagged behind)" if seen.lagging else ""
        return f"{cases} of {trials} differ{undecided}, {cases / trials:.2%}; the plan allows {rules.mismatches:.2%}"
    if more or upper > rules.mismatches:
        return (
            f"{cases} of {trials} differ, so up to {upper:.2%} may; {more} more comparisons are needed"
            f"{_how_long(seen, more)}"
        )
    if seen.age is None or seen.age > rules.fresh:
        return f"the last comparison is {(seen.age or 0) / 3600:.1f} h old"
    return ""


def _how_long(seen: Seen, more: int) -> str:
    if seen.compared < 2 or seen.seconds <= 0:
        return "" if seen.compared else "; nobody has asked for it yet"
    minutes = more / (seen.compared / seen.seconds) / 60
    return f", about {minutes:.0f} min at the present rate" if minutes < 600 else f", about {minutes / 60:.0f} h"
