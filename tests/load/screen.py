"""What one sees while the demo runs, and the table it ends with."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tests.load.figures import BUCKETS, Figures
from tests.load.report import Report

_COLOURS = {"kept": "green", "broken": "bold red", "not exercised": "dim"}


MEANINGS = {
    "I1": "one side alone accepts writes, at any instant",
    "I2": "what was acknowledged is there",
    "I3": "nothing happens twice",
    "I4": "no request fails",
    "I5": "after a crash one side owns again, by itself (tests/faults)",
    "I6": "both sides hold the same rows",
    "I7": "everybody reads what they wrote",
    "I8": "nobody is logged out",
    "I9": "other domains are not slowed",
    "I10": "a stream that falls behind fills no disk (tests/integration)",
}
"""The promises (docs/guarantees.md) in a few words."""


class Screen:
    """Lines for what has happened; on a terminal, live figures below them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()
        self._doing = ""
        self._switches = ""

    def say(self, what: str) -> None:
        self.console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/dim]  {what}", highlight=False)

    def doing(self, what: str) -> None:
        self._doing = what

    def switched(self, number: int, direction: str, hold_ms: float, held: int) -> None:
        self._switches = f"switch {number}: {direction}, {held} held, hold {hold_ms:.0f} ms"
        if not self.console.is_terminal:
            self.say(self._switches)

    def live(self, count: Callable[[], Figures]) -> _Live:
        return _Live(self, count)

    def frame(self, figures: Figures, rate: float) -> Group:
        failures = f"[{'red' if figures.failures else 'green'}]{figures.failures} failures[/]"
        head = Text.from_markup(f"{figures.requests} requests, {rate:.0f}/s, {failures}   [bold]{self._doing}[/]")
        table = Table(box=None, pad_edge=False)
        for column in ("domain", "requests", "p50 <=", "p99 <="):
            table.add_column(column, justify="right" if column != "domain" else "left")
        for domain, histogram in sorted(figures.by_domain.items()):
            p50, p99 = (_at_most(histogram.quantile(share)) for share in (0.5, 0.99))
            table.add_row(domain, str(sum(histogram.counts.values())), p50, p99)
        return Group(head, Text(self._switches), table)

    def end(self, report: Report) -> None:
        """The report as people read it."""
        table = Table(title="What was promised, and what came of it", title_justify="left", box=None)
        table.add_column("", style="bold")
        table.add_column("")
        hold = report.hold_ms
        switches = f"{len(report.switches)}, {sum(s.held for s in report.switches)} requests held"
        if report.taken_back:
            switches += f"; {report.taken_back} more were taken back"
        pace = f"in {report.seconds:.0f} s = {report.requests_per_second:.0f}/s"
        rows = {
            "requests": f"{report.requests} {pace} (the load took {report.load_cpu_share:.0%} of a core)",
            "machine": f"its host gave {report.stolen_cpu_share:.0%} of the time it wanted to others",
            "failures": _coloured(str(report.failures), not report.failures),
            "switches": switches,
            "hold": f"p50 {hold['p50']:.0f} ms, p99 {hold['p99']:.0f} ms, longest {hold['max']:.0f} ms",
            "other domains": f"p99 during switches x{report.other_domains_p99_ratio:.2f}",
            "rows verified": str(report.rows_verified),
            "differences": _coloured(str(report.differences), not report.differences),
            "stock adds up": _coloured("yes" if report.stock_adds_up else "no", report.stock_adds_up),
        }
        rows["alerts"] = _coloured(", ".join(report.alerts) or "none fired", not report.alerts)
        if outside := report.outside:
            rows["money"] = (
                f"{outside.charges} charges over {euros(outside.charged_cents)}, {outside.declined} declined, "
                f"{outside.refunds} refunds over {euros(outside.refunded_cents)}"
            )
            rows["messages"] = f"{outside.letters} mails"
        for name, value in rows.items():
            table.add_row(name, value)
        self.console.print()
        self.console.print(table)
        self.console.print(_promised(report.promises))
        for missed in report.missed:
            self.console.print(f"  [yellow]missed:[/] {missed}", highlight=False)
        for violation in report.violations[:20]:
            self.console.print(f"  [red]{violation}[/]", highlight=False, markup=True)


def _promised(promises: Mapping[str, str]) -> Table:
    table = Table(box=None, show_header=False)
    for promise, word in promises.items():
        table.add_row(f"[bold]{promise}[/]", MEANINGS[promise], f"[{_COLOURS[word]}]{word}[/]")
    return table


def _at_most(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if math.isfinite(seconds) else f"over {BUCKETS[-2] * 1000:.0f} ms"


def euros(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02} EUR"


def _coloured(text: str, good: bool) -> str:
    return f"[{'green' if good else 'bold red'}]{text}[/]"


class _Live:
    """Asks for figures a few times a second; only on a terminal."""

    def __init__(self, screen: Screen, count: Callable[[], Figures]) -> None:
        self._screen, self._count = screen, count
        self._live = Live(console=screen.console, refresh_per_second=4, transient=True)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._refresh, name="screen", daemon=True)

    def __enter__(self) -> _Live:
        if self._screen.console.is_terminal:
            self._live.start()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self._ended.set()
            self._thread.join()
            self._live.stop()

    def _refresh(self) -> None:
        before, at = 0, time.monotonic()
        while not self._ended.wait(0.5):
            figures, now = self._count(), time.monotonic()
            rate, before, at = (figures.requests - before) / (now - at), figures.requests, now
            self._live.update(self._screen.frame(figures, rate))
