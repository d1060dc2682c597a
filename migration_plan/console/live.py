"""Where every domain is now, in figures that move: read from rows, journal, proxies and streams, in one look."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import psycopg

from cdc.errors import CdcError
from migration_plan.canary.tally import Count, count, total
from migration_plan.console.glance import Glance
from migration_plan.errors import FigError
from migration_plan.lifecycle import OWNER, Side, Stage
from migration_plan.moving.moves import current
from migration_plan.parts import Parts
from migration_plan.recovering.diagnosis import open_intent
from migration_plan.recovering.recovery import Case, decide
from migration_plan.sync import status as sync_status
from migration_plan.sync.status import LineStatus
from proxy.client import ProxyClient, RouteState
from proxy.errors import ProxyError

EVERY = 1.0
"""Seconds between two looks, while somebody looks at a page."""
PATIENCE = 4.0
"""Seconds for which a page waits for servers that do not answer; then it shows what it knows."""
STREAMS_EVERY = 3.0
"""Seconds between two looks at the streams: they cost new connections to both sides."""
_log = logging.getLogger("fig.console")


@dataclass(frozen=True)
class Live:
    """One domain at one moment. Rates per second, lag in seconds and bytes; None: not known, or there is none."""

    domain: str
    stages: tuple[Stage, ...]
    stage: Stage
    owner: str
    epoch: int
    is_settled: bool
    reads: Mapping[Side, float] = field(default_factory=dict)
    """Reads per second that each side has answered at the proxies."""
    share: float = 0.0
    """Of the users whose reads the service answers while the monolith owns: 0 to 1."""
    is_held: bool = False
    lines: tuple[LineStatus, ...] = ()
    verified_age: float | None = None
    differences: int | None = None
    newest: int = 0
    """The journal's last line about it."""
    trouble: str = ""

    @property
    def forward(self) -> LineStatus | None:
        """The stream that brings rows to the side that does not own."""
        wanted = f"to_{Side(self.owner).other}" if self.owner in tuple(Side) else ""
        return next((line for line in self.lines if line.direction == wanted), None)

    @property
    def is_migrated(self) -> bool:
        """Whether a stream waits because a schema has changed: `fig sync accept` lets it go on."""
        return any("fig sync accept" in line.next_step for line in self.lines)

    @property
    def service_part(self) -> float | None:
        """Of the reads of this moment; None without any."""
        whole = sum(self.reads.values())
        return self.reads.get(Side.SERVICE, 0.0) / whole if whole else None

    @property
    def reads_from_service(self) -> float:
        """The part of the reads that the routes give to the service, 0 to 1."""
        return 1.0 if self.owner == Side.SERVICE else self.share


class Lookout:
    """Looks once a second while somebody wants to know, and not at all otherwise; at each domain by itself."""

    def __init__(self, parts: Sequence[Parts], proxies: Sequence[ProxyClient]) -> None:
        self._parts, self._proxies = parts, proxies
        self._asked = Glance(self._ask_proxies)
        self._glances = {one.domain: Glance(partial(self._look, one)) for one in parts}
        self._seen: dict[str, Live] = {}
        self._counts: dict[str, tuple[float, Mapping[str, Count]]] = {}
        self._streams: dict[str, tuple[float, sync_status.DomainStatus]] = {}

    @property
    def domains(self) -> list[str]:
        return [parts.domain for parts in self._parts]

    def now(self, most: float) -> dict[str, Live]:
        """Every domain, at most so many seconds old; one whose servers do not answer in time as it was, and said so."""
        for glance in self._glances.values():
            glance.begin(most)
        until = time.monotonic() + PATIENCE
        return {parts.domain: self._known(parts, most, until - time.monotonic()) for parts in self._parts}

    def _known(self, parts: Parts, most: float, patience: float) -> Live:
        seen, age = self._glances[parts.domain].now(most, max(0.0, patience))
        if seen is None:
            return Live(
                parts.domain, parts.plan.stages, Stage.MONOLITH, "nobody knows", 0, False, trouble="no answer yet"
            )
        if age <= most + PATIENCE:
            return seen
        return replace(seen, trouble=f"no answer any more; what is shown is {age:.0f} s old")

    def _ask_proxies(self) -> tuple[list[dict[str, RouteState]], dict[str, str]]:
        routes, metrics = [], {}
        for proxy in self._proxies:
            try:
                routes.append(proxy.routes())
                metrics[proxy.name] = proxy.metrics()
            except ProxyError as error:
                _log.warning("%s", error)
        return routes, metrics

    def _look(self, parts: Parts) -> Live:
        routes, metrics = self._asked.now(EVERY / 10, PATIENCE)[0] or ([], {})
        try:
            found = self._seen[parts.domain] = self._look_well(parts, routes, metrics)
        except (FigError, CdcError, ProxyError, psycopg.Error) as error:
            known = self._seen.get(parts.domain)
            stage = known.stage if known else Stage.MONOLITH
            found = Live(parts.domain, parts.plan.stages, stage, known.owner if known else "nobody knows",
                        known.epoch if known else 0, False, trouble=str(error))  # fmt: skip
        return found

    def _look_well(self, parts: Parts, routes: list[dict[str, RouteState]], metrics: Mapping[str, str]) -> Live:
        stage, rows = current(parts)
        owner = next((row for row in rows.values() if row is not None and row.state == "owner"), None)
        at_rest = stage is Stage.MONOLITH and all(row is None for row in rows.values())
        own = [one[parts.domain] for one in routes if parts.domain in one]
        streams = self._streams_of(parts, at_rest or stage is Stage.RETIRED)
        newest = parts.journal.entries(parts.domain, 1)
        return Live(
            parts.domain,
            parts.plan.stages,
            stage,
            str(owner.side) if owner else str(OWNER[stage]) if at_rest else "nobody",
            owner.epoch if owner else max((row.epoch for row in rows.values() if row), default=0),
            at_rest or decide(rows, open_intent(parts.journal, parts.domain)).case is Case.REST,
            self._rates(parts.domain, metrics),
            max((route.share for route in own), default=0) / 10_000,
            any(route.hold for route in own),
            streams.lines if streams else (),
            streams.verified_age if streams else None,
            streams.differences if streams else None,
            newest[-1].id if newest else 0,
        )

    def _streams_of(self, parts: Parts, none: bool) -> sync_status.DomainStatus | None:
        if none:
            self._streams.pop(parts.domain, None)
            return None
        at, known = self._streams.get(parts.domain, (0.0, None))
        if known is None or time.monotonic() - at > STREAMS_EVERY:
            known = sync_status.status(parts, "")
            self._streams[parts.domain] = (time.monotonic(), known)
        return known

    def _rates(self, domain: str, metrics: Mapping[str, str]) -> dict[Side, float]:
        now, counts = time.monotonic(), {name: count(text, domain) for name, text in metrics.items()}
        at, before = self._counts.get(domain, (now, counts))
        if now - at > EVERY / 2 or domain not in self._counts:
            self._counts[domain] = (now, counts)
        apart = max(now - at, 1e-3)
        return {side: tally.requests / apart for side, tally in total(counts, before).items()}
