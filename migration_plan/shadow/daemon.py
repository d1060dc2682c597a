"""`fig shadow run`: the comparer with its settings, its evidence written down every second."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from migration_plan.configuration.plan import Plan
from migration_plan.configuration.settings import Settings
from migration_plan.errors import FigError, JournalUnreachable
from migration_plan.journal.journal import Journal
from migration_plan.lifecycle import Stage
from migration_plan.shadow.store import ShadowStore
from migration_plan.shadow.tally import Tally
from proxy.client import ProxyClient
from proxy.routes import Side
from proxy.shadow_comparer import Comparer, Target

log = logging.getLogger("fig.shadow")

SOCKET = "shadow.sock"
"""In each proxy's folder; nginx.conf names it."""
WRITE_EVERY = 1.0


def targets(settings: Settings, plans: Sequence[Plan]) -> list[Target]:
    """What the plans want compared."""
    return [
        Target(
            plan.domain,
            plan.shadow.routes,
            {
                Side.MONOLITH: settings.upstreams[plan.sides.monolith.upstream],
                Side.SERVICE: settings.upstreams[plan.sides.service.upstream],
            },
            plan.shadow.headers,
            plan.shadow.sample,
            plan.shadow.rate,
        )
        for plan in plans
        if plan.shadow is not None
    ]


class Writer(threading.Thread):
    """Writes the sums down, and knows which domains are in the stage. What cannot be written is kept."""

    def __init__(self, journal: Journal, plans: Sequence[Plan], stop: threading.Event) -> None:
        super().__init__(name="shadow-writer", daemon=True)
        self._journal, self._stop_event = journal, stop
        self.failure: BaseException | None = None
        self._plans = {plan.domain: plan for plan in plans if plan.shadow is not None}
        self.tally = Tally({domain: plan.shadow.show for domain, plan in self._plans.items() if plan.shadow})
        self._keep = {domain: plan.shadow.keep for domain, plan in self._plans.items() if plan.shadow}
        self._since: dict[str, datetime] = {}
        self.active: frozenset[str] = frozenset()
        self.dropped: Callable[[], Counter[tuple[str, str]]] = Counter
        """The comparer's own counts; what of them is written down already is remembered."""
        self._written: Counter[tuple[str, str]] = Counter()

    def run(self) -> None:
        try:
            with closing(ShadowStore(self._journal.dsn)) as store:
                while not self._stop_event.wait(WRITE_EVERY):
                    self.turn(store)
                self.turn(store)
        except BaseException as error:
            self.failure = error
            self._stop_event.set()
            raise

    def turn(self, store: ShadowStore) -> None:
        """One look, one writing. While the database is away nothing is compared; other errors end the process."""
        try:
            self._look(store)
            dropped = self.dropped()
            sums = self.tally.take()
            try:
                store.write(sums, dropped - self._written, self._since, self._keep)
            except JournalUnreachable:
                self.tally.give_back(sums)
                raise
            self._written = dropped
            self._since = store.since()
        except JournalUnreachable as error:
            self.active = frozenset()
            log.warning("nothing is compared: %s", error)

    def _look(self, store: ShadowStore) -> None:
        active = frozenset(d for d in self._plans if self._journal.stage(d) is Stage.SHADOW)
        for domain in active - self.active:
            store.begin(domain)
            self._since = store.since()
        self.active = active


def run(settings: Settings, plans: Sequence[Plan], stop: threading.Event) -> None:
    """Until told to stop."""
    journal = Journal(settings.journal.dsn)
    here = [proxy for proxy in settings.proxies if Path(proxy.folder).is_dir()]
    if not here:
        raise FigError("no folder of a proxy is on this machine", "run `fig shadow run` where a proxy runs")
    proxies = [ProxyClient(proxy.name, proxy.admin_socket) for proxy in here]
    sockets = [Path(proxy.folder) / SOCKET for proxy in here]
    writer = Writer(journal, plans, stop)
    comparer = Comparer(targets(settings, plans), proxies, sockets, writer.tally.add, lambda: writer.active)
    writer.dropped = comparer.intake.counts
    writer.start()
    try:
        comparer.run(stop)
    finally:
        stop.set()
        writer.join()
        journal.close()
    if writer.failure is not None:
        raise writer.failure
