"""What proxies have counted of a domain's reads, by side. Pure: text and numbers in, numbers out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from migration_plan.lifecycle import Side

_LINE = re.compile(r"^(?P<name>fig_\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_NO_LIMIT = float("inf")


@dataclass(frozen=True)
class Tally:
    """Reads of one side."""

    requests: int = 0
    failed: int = 0
    refused: int = 0
    up_to: Mapping[float, int] = field(default_factory=dict)
    """How many took at most so many seconds; the bound of the last is infinite."""

    def __add__(self, other: Tally) -> Tally:
        bounds = self.up_to.keys() | other.up_to.keys()
        return Tally(
            self.requests + other.requests, self.failed + other.failed, self.refused + other.refused,
            {bound: self.up_to.get(bound, 0) + other.up_to.get(bound, 0) for bound in bounds},
        )  # fmt: skip

    def since(self, before: Tally) -> Tally:
        """What came to it; a proxy that counts less than before has begun anew."""
        if self.requests < before.requests or self.failed < before.failed:
            return self
        return Tally(
            self.requests - before.requests, self.failed - before.failed, self.refused - before.refused,
            {bound: count - before.up_to.get(bound, 0) for bound, count in self.up_to.items()},
        )  # fmt: skip

    def quantile(self, q: float) -> float | None:
        """Seconds, interpolated within a bucket; None where nothing is known."""
        points = self._points()
        wanted = q * points[-1][1]
        if not wanted:
            return None
        for (low, below), (high, up_to) in pairwise(points):
            if up_to >= wanted:
                return low if high == _NO_LIMIT else low + (high - low) * (wanted - below) / (up_to - below)
        return None

    def slower_than(self, seconds: float) -> int:
        """How many took longer, interpolated within a bucket."""
        points = self._points()
        for (low, below), (high, up_to) in pairwise(points):
            if seconds < high:
                part = 0.0 if high == _NO_LIMIT else (seconds - low) / (high - low)
                return round(points[-1][1] - below - part * (up_to - below))
        return 0

    def _points(self) -> list[tuple[float, int]]:
        return [(0.0, 0), *sorted(self.up_to.items())]

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": self.requests, "failed": self.failed, "refused": self.refused,
            "up_to": {str(bound): count for bound, count in sorted(self.up_to.items())},
        }  # fmt: skip

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Tally:
        up_to = {float(bound): count for bound, count in document["up_to"].items()}
        return cls(document["requests"], document["failed"], document["refused"], up_to)


Count = Mapping[Side, Tally]
"""Of one proxy, or of all of them."""


def count(metrics: str, domain: str) -> dict[Side, Tally]:
    """From a proxy's /metrics: all reads of the domain since the proxy began."""
    numbers: dict[Side, defaultdict[str, int]] = {side: defaultdict(int) for side in Side}
    up_to: dict[Side, dict[float, int]] = {side: {} for side in Side}
    for line in metrics.splitlines():
        match = _LINE.match(line)
        labels = dict(_LABEL.findall(match["labels"])) if match else {}
        if match is None or labels.get("domain") != domain:
            continue
        value = int(float(match["value"]))
        if match["name"] == "fig_proxy_canary_fallbacks_total":
            numbers[Side.SERVICE]["fallbacks"] += value
        elif labels.get("method") == "read" and labels.get("side") in tuple(Side):
            side = Side(labels["side"])
            if match["name"] == "fig_proxy_requests_total":
                numbers[side]["requests"] += value
                numbers[side][labels["status"]] += value
            elif match["name"] == "fig_proxy_request_seconds_bucket":
                up_to[side][float(labels["le"])] = value
    # A read that fell back and failed at the owner as well is one failure.
    return {
        side: Tally(found["requests"], max(found["5xx"], found["fallbacks"]), found["4xx"], up_to[side])
        for side, found in numbers.items()
    }


def total(now: Mapping[str, Count], before: Mapping[str, Count]) -> dict[Side, Tally]:
    """What came to all proxies together, each against its own earlier count; a proxy that is new counts whole."""
    found = {side: Tally() for side in Side}
    for proxy, counts in now.items():
        for side in Side:
            earlier = before.get(proxy, {}).get(side, Tally())
            found[side] += counts[side].since(earlier)
    return found
