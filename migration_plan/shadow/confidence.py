"""How large a rate may be that showed so few cases: exact upper ends of confidence intervals.

Clopper and Pearson (Biometrika 26, 1934, 404-413), one-sided: the largest p for which seeing at most `cases` in
`trials` has a probability of 5 %. It never promises too much; Wilson's interval, which is shorter, does so for rates
near 0, and those are the ones we want (Cai, Journal of Statistical Planning and Inference 131, 2005, 63-88).
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p

CONFIDENCE = 0.95
MOST = 10_000_000
"""Trials; nobody waits for more."""


def upper_end(cases: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Of the rate of which `cases` in `trials` were seen; 1 where nothing was tried."""
    if cases >= trials:
        return 1.0
    low, high = cases / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(cases, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def trials_needed(cases: int, limit: float, confidence: float = CONFIDENCE) -> int:
    """How many trials it takes for the upper end to come under `limit`, if no further case is seen."""
    low, high = cases, cases + 1
    while upper_end(cases, high, confidence) > limit:
        if high >= MOST:
            return MOST
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if upper_end(cases, middle, confidence) > limit:
            low = middle
        else:
            high = middle
    return high


def _at_most(cases: int, trials: int, rate: float) -> float:
    """Probability of at most `cases` in `trials`."""
    if not 0.0 < rate < 1.0:
        return 1.0 if rate <= 0.0 else 0.0
    ways = lgamma(trials + 1) - lgamma(cases + 1) - lgamma(trials - cases + 1)
    top = exp(ways + cases * log(rate) + (trials - cases) * log1p(-rate))
    # From the largest term down: each is a simple fraction of the one above it.
    total, part = 0.0, 1.0
    for k in range(cases, -1, -1):
        total += part
        part *= k * (1 - rate) / ((trials - k + 1) * rate)
        if part < total * 1e-15:
            break
    return total * top
