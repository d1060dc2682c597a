"""What the comparer found since the last time it was written down: sums, not samples. Thread-safe, bounded."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from proxy.shadow_comparer import Kind, Outcome
from proxy.shadow_mask import kept

MOST_PATHS = 500
"""Fields of one route that are told apart; the others of a route are one, OTHERS."""
MOST_GROUPS = 200
OTHERS = "(others)"
EXAMPLES = 5
"""Of one field, at a time."""
MOST_EXAMPLES = 1000

Place = tuple[str, str]
"""Domain and route."""


@dataclass(frozen=True)
class Example:
    """One difference as it may be kept."""

    domain: str
    route: str
    path: str
    request_id: str
    monolith: str
    service: str


@dataclass
class Sums:
    """Everything between two writings."""

    kinds: Counter[tuple[str, str, Kind]] = field(default_factory=Counter)
    raw: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    noise: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    groups: Counter[tuple[str, str, tuple[str, ...]]] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)


class Tally:
    """`shown`: by domain, the field paths whose values may be kept as they are."""

    def __init__(self, shown: Mapping[str, Collection[str]]) -> None:
        self._shown = shown
        self._lock = threading.Lock()
        self._sums = Sums()
        self._paths: dict[Place, set[str]] = {}
        self._groups: dict[Place, set[tuple[str, ...]]] = {}
        self._examples: Counter[tuple[str, str, str]] = Counter()

    def add(self, outcome: Outcome) -> None:
        with self._lock:
            place, sums = (outcome.domain, outcome.route), self._sums
            sums.kinds[*place, outcome.kind] += 1
            if outcome.comparison is None:
                return
            sums.raw.update((*place, path) for path in self._named(place, outcome.comparison.raw))
            sums.noise.update((*place, path) for path in self._named(place, outcome.comparison.noise))
            if outcome.kind is Kind.COMPARED and outcome.comparison.differences:
                self._add_differences(outcome)

    def take(self) -> Sums:
        """All sums so far; counting begins anew."""
        with self._lock:
            taken, self._sums = self._sums, Sums()
            self._examples.clear()
            return taken

    def give_back(self, sums: Sums) -> None:
        """What could not be written; later sums are added to it."""
        with self._lock:
            for name in ("kinds", "raw", "noise", "groups"):
                getattr(self._sums, name).update(getattr(sums, name))
            self._sums.examples = (sums.examples + self._sums.examples)[:MOST_EXAMPLES]

    def _add_differences(self, outcome: Outcome) -> None:
        assert outcome.comparison is not None  # noqa: S101 - `add` has looked.
        place = (outcome.domain, outcome.route)
        paths = tuple(sorted(self._named(place, [one.path for one in outcome.comparison.differences])))
        known = self._groups.setdefault(place, set())
        if paths not in known and len(known) >= MOST_GROUPS:
            paths = (OTHERS,)
        known.add(paths)
        self._sums.groups[*place, paths] += 1
        shown = self._shown.get(outcome.domain, ())
        for one in outcome.comparison.differences:
            if self._examples[*place, one.path] < EXAMPLES and one.path in self._paths[place]:
                self._examples[*place, one.path] += 1
                values = (kept(one.path, value, shown) for value in (one.monolith, one.service))
                self._sums.examples.append(Example(*place, one.path, outcome.request_id, *values))

    def _named(self, place: Place, paths: Collection[str]) -> set[str]:
        known = self._paths.setdefault(place, set())
        for path in sorted(paths):
            if len(known) < MOST_PATHS:
                known.add(path)
        return {path if path in known else OTHERS for path in paths}
