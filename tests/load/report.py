"""The demo's report: from what was measured to what is claimed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.load.figures import Sample, percentile, slowdown
from tests.support.history import PROMISES, Outside, Verdict, Violation

# What the project promises itself for one switch, in milliseconds; a missed one is reported, never hidden.
HOLD_P99, HOLD_MAX = 100.0, 500.0
# How busy the shop has to be for the figures to mean something.
ENOUGH_PER_SECOND = 200.0
# So much slower others may be while a switch runs, whose own work shares their two cores.
OTHERS_P99_RATIO = 2.0
# With fewer requests than this inside the switches, their p99 is one unlucky request.
ENOUGH_SAMPLES = 100


@dataclass(frozen=True)
class Switched:
    """One switch as it was measured; `since` and `until` frame the whole command, preflight included."""

    domain: str
    giver: str
    taker: str
    epoch: int
    held: int
    hold_ms: float
    drain_ms: float
    attempts: int
    since: float
    until: float

    def as_json(self) -> dict[str, object]:
        return {
            "domain": self.domain, "from": self.giver, "to": self.taker, "epoch": self.epoch,
            "held": self.held, "hold_ms": self.hold_ms, "drain_ms": self.drain_ms, "attempts": self.attempts,
        }  # fmt: skip


@dataclass(frozen=True)
class Verified:
    rows: int
    differences: int

    def __add__(self, other: Verified) -> Verified:
        return Verified(self.rows + other.rows, self.differences + other.differences)


@dataclass(frozen=True)
class Counted:
    """What the world outside of the shop saw; whether it is right is the checker's word."""

    charges: int
    declined: int
    charged_cents: int
    refunds: int
    refunded_cents: int
    letters: int


def counted(outside: Outside | None) -> Counted | None:
    if outside is None:
        return None
    paid = [charge.cents for charge in outside.charges if charge.paid]
    back = [given.cents for given in outside.given_back]
    declined = len(outside.charges) - len(paid)
    return Counted(len(paid), declined, sum(paid), len(back), sum(back), len(outside.letters))


@dataclass(frozen=True)
class Report:
    requests: int
    failures: int
    seconds: float
    requests_per_second: float
    switches: tuple[Switched, ...]
    taken_back: int
    """Switches that would have made people wait too long, and took themselves back."""
    hold_ms: Mapping[str, float]
    other_domains_p99_ratio: float
    rows_verified: int
    differences: int
    stock_adds_up: bool
    promises: Mapping[str, str]
    load_cpu_share: float
    """Of one core, what the load itself took."""
    stolen_cpu_share: float
    """Of the time that the machine wanted to work, what its host gave to others."""
    missed: tuple[str, ...]
    """Time limits that were not met; they do not decide, but they are said."""
    violations: tuple[Violation, ...]
    outside: Counted | None = None
    """None where no money is taken."""
    alerts: tuple[str, ...] = ()
    """Those of our alert rules that have fired."""

    @property
    def good(self) -> bool:
        return not self.failures and not self.differences and self.stock_adds_up and not self.broken and not self.alerts

    @property
    def broken(self) -> list[str]:
        return [promise for promise, word in self.promises.items() if word == "broken"]

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "switches": [switch.as_json() for switch in self.switches],
            "violations": [str(violation) for violation in self.violations[:100]],
        }


def build(
    samples: Sequence[Sample],
    seconds: float,
    switches: Sequence[Switched],
    verified: Verified,
    verdict: Verdict,
    cpu_seconds: float,
    taken_back: int = 0,
) -> Report:
    holds = [switch.hold_ms for switch in switches]
    hold = {"p50": percentile(holds, 50), "p99": percentile(holds, 99), "max": max(holds, default=0.0)}
    ratio, inside = slowdown(samples, [(switch.since, switch.until) for switch in switches])
    stock = [v for v in verdict.violations if "movements add up" in v.evidence]
    return Report(
        requests=len(samples),
        failures=sum(sample.failed for sample in samples),
        seconds=round(seconds, 1),
        requests_per_second=round(len(samples) / seconds, 1) if seconds else 0.0,
        switches=tuple(switches),
        taken_back=taken_back,
        hold_ms=hold,
        other_domains_p99_ratio=round(ratio, 2),
        rows_verified=verified.rows,
        differences=verified.differences,
        stock_adds_up=not stock,
        promises=_promises(verdict, ratio, inside),
        load_cpu_share=round(cpu_seconds / seconds, 3) if seconds else 0.0,
        stolen_cpu_share=0.0,
        missed=tuple(_missed(hold, ratio, inside, len(samples) / seconds if seconds else 0.0)),
        violations=verdict.violations,
    )


def _promises(verdict: Verdict, ratio: float, inside: int) -> dict[str, str]:
    words = {promise: verdict.word(promise) for promise in PROMISES}
    if words["I5"] == "kept":
        # One owner at rest is no news where nothing crashed; the fault matrix puts this promise to the test.
        words["I5"] = "not exercised"
    if inside >= ENOUGH_SAMPLES and ratio:
        words["I9"] = "kept" if ratio <= OTHERS_P99_RATIO else "broken"
    return words


def _missed(hold: Mapping[str, float], ratio: float, inside: int, pace: float) -> list[str]:
    missed = []
    if pace < ENOUGH_PER_SECOND:
        missed.append(f"{pace:.0f} requests/s, wanted at least {ENOUGH_PER_SECOND:.0f}")
    if hold["p99"] > HOLD_P99:
        missed.append(f"hold p99 {hold['p99']:.0f} ms, wanted at most {HOLD_P99:.0f} ms")
    if hold["max"] > HOLD_MAX:
        missed.append(f"longest hold {hold['max']:.0f} ms, wanted at most {HOLD_MAX:.0f} ms")
    if inside >= ENOUGH_SAMPLES and ratio > OTHERS_P99_RATIO:
        missed.append(f"other domains' p99 during switches x{ratio:.2f}, wanted at most x{OTHERS_P99_RATIO:.1f}")
    return missed
