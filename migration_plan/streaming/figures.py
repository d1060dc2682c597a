"""Figures of `fig streams` for Prometheus: fig_stream_…{domain, direction}. Read from memory at each scrape.

What has to be asked of others (the journal, the broker) is asked now and then by a thread of its own, so that a
scrape never waits for anybody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cdc.capture.budget import limit
from cdc.control import Phase
from cdc.errors import CdcError
from migration_plan.configuration.plan import Plan
from migration_plan.errors import FigError
from migration_plan.monitoring.exposition import shown
from migration_plan.parts import Parts
from migration_plan.streaming.keeper import StreamKeeper
from migration_plan.streaming.publishers import PublisherKeeper
from migration_plan.streaming.slot_watch import SlotWatch
from migration_plan.sync import dead_letters

ASK_EVERY = 10.0
RATE_OVER = 10.0
"""Seconds over which rows per second are counted."""
_LABELS = ("domain", "direction")
STATES = ("streaming", "connecting", "paused", "given-up", "copying", "waiting", "stopped")


@dataclass
class Line:
    """One stream or publisher: its watch and its keeper."""

    watch: SlotWatch
    keeper: StreamKeeper | PublisherKeeper
    _counted: list[tuple[float, int]] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        return [self.watch.watched.domain, self.watch.watched.direction]

    @property
    def rows(self) -> int:
        return self.keeper.rows if isinstance(self.keeper, StreamKeeper) else self.keeper.published

    @property
    def state(self) -> str:
        seen = self.watch.seen
        if seen is None or self.keeper.trouble:
            return "stopped"
        if seen.control.paused:
            return "paused"
        if seen.control.phase is not Phase.RUNNING:
            return str(seen.control.phase)
        if not seen.slot.exists:
            return "stopped"
        return "streaming" if seen.slot.active else "connecting"

    def lag_bytes(self) -> float | None:
        """From what the target has, or has last confirmed, to the end of the source's WAL."""
        seen = self.watch.seen
        if seen is None:
            return None
        applied = self.keeper.applied if isinstance(self.keeper, StreamKeeper) else 0
        return float(max(0, seen.end - applied)) if applied else _float(seen.slot.unconfirmed)

    def lag_seconds(self) -> float | None:
        """For how long, by the source's clock, nothing that it acknowledged has become visible; streams only."""
        seen = self.watch.seen
        if seen is None or not isinstance(self.keeper, StreamKeeper) or self.keeper.through is None:
            return None
        return max(0.0, (seen.source_time - self.keeper.through).total_seconds())

    def rate(self) -> float:
        """Rows per second, over the last scrapes and at least RATE_OVER seconds where there are some."""
        now = time.monotonic()
        self._counted.append((now, self.rows))
        while len(self._counted) > 2 and now - self._counted[1][0] > RATE_OVER:
            del self._counted[0]
        (then, before), (_, after) = self._counted[0], self._counted[-1]
        return (after - before) / (now - then) if now > then else 0.0


class Asker(threading.Thread):
    """What the journal and the broker know of each domain."""

    def __init__(self, domains: Sequence[Parts], stop: threading.Event) -> None:
        super().__init__(name="figures", daemon=True)
        self._domains, self._stop_event = domains, stop
        self.verified: dict[str, tuple[float, int, float]] = {}
        """Age then, differences, and when it was asked (monotonic)."""
        self.letters: dict[str, int] = {}

    @property
    def plans(self) -> list[Plan]:
        return [parts.plan for parts in self._domains]

    def run(self) -> None:
        while not self._stop_event.is_set():
            for parts in self._domains:
                self._ask(parts)
            self._stop_event.wait(ASK_EVERY)

    def _ask(self, parts: Parts) -> None:
        try:
            found = parts.journal.last_verification(parts.domain)
        except FigError:
            found = None
        if found is None:
            self.verified.pop(parts.domain, None)
        else:
            self.verified[parts.domain] = (found.age, found.differences, time.monotonic())
        try:
            self.letters[parts.domain] = dead_letters.count(parts) if parts.plan.inbox else 0
        except (CdcError, FigError):
            self.letters.pop(parts.domain, None)  # Not known is not none.


class StreamCollector(Collector):
    """All figures at the moment of a scrape."""

    def __init__(self, lines: Sequence[Line], asker: Asker) -> None:
        self._lines, self._asker = lines, asker

    def collect(self) -> Iterable[Metric]:
        lag, behind, retained, budget, state, rate = (
            GaugeMetricFamily(f"fig_stream_{name}", what, labels=[*_LABELS, *more])
            for name, what, more in (
                ("lag_seconds", "Age of the newest source commit up to which everything is visible on the target.", ()),
                ("lag_bytes", "WAL of the source that the target has not applied.", ()),
                ("retained_wal_bytes", "WAL that the slot keeps on its source.", ()),
                ("wal_budget_bytes", "WAL that the slot may keep; past it the stream gives it up.", ()),
                ("state", "1 for the state that the stream is in.", ("state",)),
                ("rows_per_second", "Applied or published, over the last seconds.", ()),
            )
        )
        trouble = GaugeMetricFamily(
            "fig_stream_trouble", "1 while it cannot go on; the error's code.", labels=[*_LABELS, "code"]
        )
        rows = CounterMetricFamily("fig_stream_rows", "Rows applied, or events published.", labels=_LABELS)
        gave_up = GaugeMetricFamily(
            "fig_stream_given_up", "Times in a row that it lost or gave up its slot without a steady time.",
            labels=_LABELS,
        )  # fmt: skip
        for line in self._lines:
            labels, seen = line.labels, line.watch.seen
            rows.add_metric(labels, line.rows)
            rate.add_metric(labels, line.rate())
            if line.keeper.trouble:
                trouble.add_metric([*labels, line.keeper.trouble[0]], 1.0)
            for name in STATES:
                state.add_metric([*labels, name], float(line.state == name))
            for family, value in ((lag, line.lag_seconds()), (behind, line.lag_bytes())):
                if value is not None:
                    family.add_metric(labels, value)
            if seen is not None:
                retained.add_metric(labels, float(seen.slot.retained or 0))
                budget.add_metric(labels, float(limit(line.watch.watched.budget, seen.slot)))
                gave_up.add_metric(labels, float(seen.control.times))
        yield from (lag, behind, retained, budget, state, rate, trouble, rows, gave_up)
        yield from self._of_domains()

    def _of_domains(self) -> Iterator[Metric]:
        age = GaugeMetricFamily("fig_stream_verified_age_seconds", "Since the last verification.", labels=["domain"])
        differences = GaugeMetricFamily("fig_stream_differences", "Found by the last verification.", labels=["domain"])
        letters = GaugeMetricFamily("fig_stream_dead_letters", "In the domain's dead queue.", labels=["domain"])
        may_lag = GaugeMetricFamily("fig_stream_lag_limit_seconds", "Of the plan's gate.", labels=["domain"])
        may_age = GaugeMetricFamily("fig_stream_verified_age_limit_seconds", "Of the plan's gate.", labels=["domain"])
        for plan in self._asker.plans:
            may_lag.add_metric([plan.domain], plan.gates.lag)
            may_age.add_metric([plan.domain], plan.gates.verification_age)
        for domain, (then, found, asked) in list(self._asker.verified.items()):
            age.add_metric([domain], then + time.monotonic() - asked)
            differences.add_metric([domain], float(found))
        for domain, count in list(self._asker.letters.items()):
            letters.add_metric([domain], float(count))
        yield from (age, differences, letters, may_lag, may_age)


@contextmanager
def served(address: str, lines: Sequence[Line], domains: Sequence[Parts], stop: threading.Event) -> Iterator[None]:
    """At http://ADDRESS/metrics for as long as this lasts; an empty address serves nothing."""
    if not address:
        yield
        return
    asker = Asker(domains, stop)
    with shown(address, StreamCollector(lines, asker)) as is_shown:
        if not is_shown:
            yield
            return
        asker.start()
        try:
            yield
        finally:
            asker.join()


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)
