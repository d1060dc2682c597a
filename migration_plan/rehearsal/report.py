"""What came of a rehearsal, and whether it was good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Round:
    """One switch on the copies."""

    giver: str
    taker: str
    hold_ms: float
    drain_ms: float
    attempts: int
    held: int
    """Requests that waited."""


@dataclass(frozen=True)
class Report:
    """Of one rehearsal."""

    domain: str
    rounds: tuple[Round, ...]
    taken_back: int
    """Switches that were taken back and tried again."""
    requests: int
    failures: int
    """Answers of 500 and above while it was switched, as the proxies counted them."""
    broken: int
    """Replayed reads without any answer."""
    traffic_exit: int | None
    """How the traffic command ended when it was told to; None without one."""
    rows: int
    differences: int
    seconds: float

    @property
    def hold_p50(self) -> float:
        return _nearest([one.hold_ms for one in self.rounds], 0.5)

    @property
    def longest_hold(self) -> float:
        return max((one.hold_ms for one in self.rounds), default=0.0)

    @property
    def problems(self) -> list[str]:
        """Why it was not good; empty: it was."""
        found = []
        if self.failures or self.broken:
            found.append(f"{self.failures + self.broken} request(s) failed while it was switched")
        if self.differences:
            found.append(f"{self.differences} row(s) differ afterwards")
        if not self.requests:
            found.append("nobody used it meanwhile, so it shows nothing")
        if self.traffic_exit not in (None, 0):
            found.append(f"the traffic command ended with {self.traffic_exit}")
        return found

    @property
    def is_good(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        return (
            f"{len(self.rounds)} switches, hold p50 {self.hold_p50:.0f} ms, longest {self.longest_hold:.0f} ms;"
            f" {self.requests} requests, {self.failures + self.broken} failed; {self.rows} rows compared,"
            f" {self.differences} differ; {self.taken_back} taken back; {self.seconds:.0f} s"
        )

    def as_json(self) -> dict[str, object]:
        return {
            **asdict(self), "rounds": [asdict(one) for one in self.rounds], "hold_p50_ms": round(self.hold_p50, 2),
            "longest_hold_ms": round(self.longest_hold, 2), "good": self.is_good, "problems": self.problems,
        }  # fmt: skip


def _nearest(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
