"""Figures of a running load: counts, failures, latencies by domain."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

# Upper bounds in seconds; the last bucket has none.
BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, math.inf)


@dataclass(frozen=True)
class Sample:
    """One request: what it belonged to, when it began, how long it took, whether it failed."""

    domain: str
    started: float
    seconds: float
    failed: bool
    touches: bool
    """Whether answering it reads or writes tables of the domain that moves."""
    read: bool = True
    new_connection: bool = False


@dataclass
class Histogram:
    """Latencies of one domain, cheap to keep and to send."""

    counts: Counter[float] = field(default_factory=Counter)

    def add(self, seconds: float) -> None:
        self.counts[next(bound for bound in BUCKETS if seconds <= bound)] += 1

    def quantile(self, share: float) -> float:
        """The upper bound of the bucket in which the quantile lies; 0 without samples."""
        left = share * sum(self.counts.values())
        for bound in BUCKETS:
            left -= self.counts[bound]
            if self.counts[bound] and left <= 0:
                return bound
        return 0.0


@dataclass
class Figures:
    """A running total."""

    requests: int = 0
    failures: int = 0
    by_domain: dict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))

    def add(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            self.requests += 1
            self.failures += sample.failed
            self.by_domain[sample.domain].add(sample.seconds)


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; 0 without values."""
    if not values:
        return 0.0
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def slowdown(samples: Iterable[Sample], windows: Sequence[tuple[float, float]]) -> tuple[float, int]:
    """p99 of requests that touch nothing of the moving domain, inside the windows ÷ outside; how many inside.

    The ratio is 0 when one of the two has no samples.
    """
    inside: list[float] = []
    outside: list[float] = []
    for sample in samples:
        if not sample.touches:
            ended = sample.started + sample.seconds
            during = any(sample.started < until and ended > since for since, until in windows)
            (inside if during else outside).append(sample.seconds)
    calm = percentile(outside, 99)
    return (percentile(inside, 99) / calm if calm else 0.0), len(inside)
