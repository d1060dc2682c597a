"""One line of the report, and the report: more is better, a figure that falls short is reported and nothing else."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

REPORT = Path("var/report/bench.json")


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    ours: float
    against: float
    ratio: float
    at_least: float
    unit: str
    machine: str = f"{platform.machine()}, {os.cpu_count()} cores"

    @property
    def is_met(self) -> bool:
        return self.ratio >= self.at_least


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    is_quick: bool
    say: Callable[[str], None]
    """Takes a line about what is being done, or with which settings."""

    def of(self, full: int, quick: int) -> int:
        return quick if self.is_quick else full

    @property
    def rounds(self) -> int:
        """How often both sides of a comparison run, one after the other."""
        return 1 if self.is_quick else 3


Measure = Callable[[Scale], Sequence[Figure]]


def in_turn(
    rounds: int, ours: Callable[[], float], against: Callable[[], float], say: Callable[[str], None]
) -> tuple[float, float]:
    """Medians of both, measured A B A B …, so that a machine that grows slower is slow for both."""
    pairs = []
    for number in range(rounds):
        pairs.append((ours(), against()))
        say(f"round {number + 1}: ours {pairs[-1][0]:,.1f}, against {pairs[-1][1]:,.1f}")
    one, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    return one, other


def printed(figures: Sequence[Figure]) -> Table:
    table = Table("what", "ours", "against", "ratio", "at least", "unit", "")
    for figure in figures:
        verdict = "[green]met" if figure.is_met else f"[red]missed by {1 - figure.ratio / figure.at_least:.0%}"
        numbers = (f"{figure.ours:,.1f}", f"{figure.against:,.1f}", f"{figure.ratio:.2f}", f"{figure.at_least:.3g}")
        table.add_row(figure.name, *numbers, figure.unit, verdict)
    return table


def write(figures: Sequence[Figure]) -> None:
    """A run of some measurements only leaves the others' figures as they were."""
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    measured = {figure.name for figure in figures}
    kept = json.loads(REPORT.read_text(encoding="utf-8")) if REPORT.exists() else []
    rows = [row for row in kept if row["name"] not in measured] + [asdict(figure) for figure in figures]
    REPORT.write_text(json.dumps(rows, indent=1), encoding="utf-8")
