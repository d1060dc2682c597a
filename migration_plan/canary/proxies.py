"""All proxies of a domain, as its canary sees them: what they do and have counted; and telling them the share."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migration_plan.canary.judge import Seen, oldest
from migration_plan.canary.store import State
from migration_plan.canary.tally import Count, count, total
from proxy.client import ProxyClient, RouteState
from proxy.errors import ProxyRejected, ProxyUnreachable, RouteRefused
from proxy.routes import Side

PATIENCE = 0.5
"""Seconds for one answer: a proxy that hangs must not keep the others from being told in time."""


@dataclass(frozen=True)
class Look:
    """One look at all proxies."""

    routes: Mapping[str, RouteState]
    counts: Mapping[str, Count]
    silent: tuple[str, ...]

    def seen(self, state: State, recent: Sequence[Count] = ()) -> Seen:
        """What a decision rests on; `recent`: what came between the last looks."""
        applied = {name: route.applied.get(Side.SERVICE) for name, route in self.routes.items()}
        return Seen(
            share=state.share,
            mode=state.mode,
            step_seconds=state.seconds,
            recent=recent,
            step=total(self.counts, state.counted),
            reference=state.reference,
            applied_age=oldest(applied, time.time() * 1000),
            silent=self.silent,
        )


class CanaryProxies:
    """The proxies of one domain, each asked with little patience."""

    def __init__(self, domain: str, proxies: Sequence[ProxyClient]) -> None:
        self._domain = domain
        self._proxies = [ProxyClient(proxy.name, proxy.socket_path, PATIENCE) for proxy in proxies]

    def look(self) -> Look:
        """Routes and counts of those that answer."""
        routes: dict[str, RouteState] = {}
        counts: dict[str, Count] = {}
        silent = []
        for proxy in self._proxies:
            try:
                route = proxy.routes().get(self._domain)
                if route is not None:
                    counts[proxy.name] = count(proxy.metrics(), self._domain)
                    routes[proxy.name] = route
            except ProxyUnreachable:
                silent.append(proxy.name)
        return Look(routes, counts, tuple(silent))

    def bring(self, look: Look, share: int, revision: int) -> list[str]:
        """Have every proxy that the monolith owns by do this share; names those that do not, now."""
        missing = list(look.silent)
        for proxy in self._proxies:
            route = look.routes.get(proxy.name)
            if route is None or route.share == share or (share and route.owner is not Side.MONOLITH):
                continue
            try:
                proxy.canary(self._domain, route.epoch, revision, share)
            except (ProxyUnreachable, RouteRefused, ProxyRejected):
                missing.append(proxy.name)
        return missing
