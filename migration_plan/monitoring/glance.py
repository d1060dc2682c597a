"""Looks at a domain's rows, proxies and stage; whatever does not answer is said to be so. Reads only."""

from __future__ import annotations

from migration_plan.errors import JournalUnreachable, SideUnreachable
from migration_plan.lifecycle import Row, Side, Stage
from migration_plan.monitoring.ownership import Glance
from migration_plan.parts import Parts
from proxy.client import ProxyClient
from proxy.errors import ProxyError


def glance(parts: Parts) -> Glance:
    """The domain now. Waits for a server that is away as long as its port does (2 s to connect)."""
    rows: dict[Side, Row | None] = {}
    readable: dict[Side, bool] = {}
    for side, database in parts.sides.items():
        try:
            rows[side], readable[side] = database.row(parts.domain), True
        except SideUnreachable:
            rows[side], readable[side] = None, False
    proxies = {proxy.name: epoch_at(proxy, parts.domain) for proxy in parts.proxies}
    return Glance(parts.domain, rows, readable, proxies, _stage(parts))


def epoch_at(proxy: ProxyClient, domain: str) -> int | None:
    """None: the proxy does not answer, or has no such domain."""
    try:
        route = proxy.routes().get(domain)
    except ProxyError:
        return None
    return None if route is None else route.epoch


def _stage(parts: Parts) -> Stage | None:
    try:
        return parts.journal.stage(parts.domain)
    except JournalUnreachable:
        return None
