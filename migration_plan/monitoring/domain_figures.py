"""Figures of `fig controller` for Prometheus: fig_domain_…{domain} and fig_controller_…. Read from memory at each
scrape: a thread of its own looks at rows, proxies and journal, so that a scrape waits for nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from migration_plan.lifecycle import Stage
from migration_plan.monitoring.exposition import shown
from migration_plan.monitoring.glance import glance
from migration_plan.monitoring.ownership import Glance, Ownerless
from migration_plan.parts import Parts

LOOK_EVERY = 1.0


class Watcher(threading.Thread):
    """Looks at every domain about once a second; the parts are its own, for no connection is shared by threads."""

    def __init__(self, domains: Sequence[Parts], stop: threading.Event, every: float = LOOK_EVERY) -> None:
        super().__init__(name="domain-figures", daemon=True)
        self._domains, self._stop_event, self._every = domains, stop, every
        self._ownerless = Ownerless({})
        self.seen: tuple[Glance, ...] = ()
        self.looked: float | None = None

    def run(self) -> None:
        while not self._stop_event.is_set():
            self.look()
            self._stop_event.wait(self._every)
        for parts in self._domains:
            parts.close()

    def look(self) -> None:
        seen = tuple(glance(parts) for parts in self._domains)
        self._ownerless.look(seen, time.monotonic())
        self.seen, self.looked = seen, time.monotonic()

    def ownerless(self, domain: str) -> float:
        return self._ownerless.seconds(domain, time.monotonic())


class DomainCollector(Collector):
    """All figures at the moment of a scrape."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def collect(self) -> Iterable[Metric]:
        seen = self._watcher.seen
        yield self._of_domains("fig_domain_owners", "Sides that say that they own; 2: one was restored.",
                               seen, lambda one: len(one.owners))  # fmt: skip
        yield self._of_domains("fig_domain_ownerless_seconds", "For how long no side has been seen to own.",
                               seen, lambda one: self._watcher.ownerless(one.domain))  # fmt: skip
        yield self._of_domains("fig_domain_epoch", "Highest epoch of both rows.", seen, lambda one: one.epoch)
        yield self._of_domains("fig_domain_proxies_behind", "Proxies that do not answer, or do not know who owns.",
                               seen, lambda one: len(one.behind))  # fmt: skip
        yield from self._stages(seen)
        yield self._sides(seen)
        yield self._of_controller(seen)

    @staticmethod
    def _of_domains(
        name: str, what: str, seen: Sequence[Glance], value: Callable[[Glance], float]
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, what, labels=["domain"])
        for one in seen:
            family.add_metric([one.domain], value(one))
        return family

    @staticmethod
    def _stages(seen: Sequence[Glance]) -> Iterator[Metric]:
        stages = GaugeMetricFamily("fig_domain_stage", "1 for the domain's stage.", labels=["domain", "stage"])
        for one in seen:
            if one.stage is not None:
                for stage in Stage:
                    stages.add_metric([one.domain, stage], float(one.stage is stage))
        yield stages

    @staticmethod
    def _sides(seen: Sequence[Glance]) -> Metric:
        sides = GaugeMetricFamily(
            "fig_domain_side_readable", "1 while the side's database answers.", labels=["domain", "side"]
        )
        for one in seen:
            for side, readable in one.readable.items():
                sides.add_metric([one.domain, side], float(readable))
        return sides

    def _of_controller(self, seen: Sequence[Glance]) -> Metric:
        journal = GaugeMetricFamily("fig_controller_journal_readable", "1 while the journal answers.")
        if seen:
            journal.add_metric([], float(all(one.stage is not None for one in seen)))
        return journal


@contextmanager
def served(address: str, domains: Sequence[Parts], stop: threading.Event) -> Iterator[None]:
    """At http://ADDRESS/metrics for as long as this lasts; an empty address looks at nothing."""
    if not address:
        yield
        return
    watcher = Watcher(domains, stop)
    with shown(address, DomainCollector(watcher)) as is_shown:
        if not is_shown:
            yield
            return
        watcher.start()
        try:
            yield
        finally:
            watcher.join()
