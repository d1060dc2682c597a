"""A domain at rest is kept as its rows say: every proxy, every fence, and what a command that died has left to be done.

Everything here may be repeated, by any controller, at any time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from migration_plan.lifecycle import Row, Side, Stage
from migration_plan.parts import Parts
from migration_plan.recovering import adoption
from migration_plan.recovering.diagnosis import stage_of
from migration_plan.retiring import retirement
from migration_plan.sync.preparation import restore_crossing_keys
from proxy.errors import ProxyUnreachable

Rows = Mapping[Side, Row | None]
_log = logging.getLogger("fig.controller")


@dataclass
class Kept:
    """What was kept at the last look; nothing of it decides."""

    epoch: int = 0
    stage: Stage | None = None
    breaches: set[str] = field(default_factory=set)


def keep(parts: Parts, rows: Rows, kept: Kept, alarm: Callable[[str], None]) -> None:
    """One look at a settled domain. `alarm`: rings once for each message."""
    owner = next((row for row in rows.values() if row is not None and row.state == "owner"), None)
    if owner is None:
        return
    _keep_routes(parts, owner, alarm)
    _keep_fences(parts, rows, kept)
    _finish_what_was_left(parts, owner, kept)
    _keep_stage_work(parts, kept)


def _keep_routes(parts: Parts, owner: Row, alarm: Callable[[str], None]) -> None:
    for proxy in parts.proxies:
        try:
            route = proxy.routes().get(parts.domain)
            if route is None or route.epoch < owner.epoch:
                proxy.set_route(parts.domain, owner.epoch, owner.side)
                _log.info("%s: proxy %s brought to epoch %s", parts.domain, proxy.name, owner.epoch)
        except ProxyUnreachable as error:
            alarm(str(error))


def _keep_fences(parts: Parts, rows: Rows, kept: Kept) -> None:
    """The watchdog: a fence that is not as its row says is repaired and reported, by name."""
    found: set[str] = set()
    for side, row in rows.items():
        if row is None:
            continue
        for breach in parts.sides[side].breaches(parts.domain):
            found.add(f"{side}:{breach.relation}:{breach.trigger_state}")
            if found - kept.breaches:
                said = {"side": side, "relation": breach.relation, "trigger": breach.trigger_state, "row": str(row)}
                _log.error("%s", json.dumps({"alarm": "fence-breach", "domain": parts.domain, **said}))
                parts.journal.record(
                    parts.domain, "alarm", row.epoch, case="fence-breach", side=side,
                    relation=breach.relation, trigger=breach.trigger_state, row=str(row),
                )  # fmt: skip
            parts.sides[side].repair_fence(parts.domain, parts.plan.limits.fence_lock)
    kept.breaches = found


def _finish_what_was_left(parts: Parts, owner: Row, kept: Kept) -> None:
    """Once for each epoch: a controller that died after its switch, or a person's command, may have left it."""
    if kept.epoch == owner.epoch or parts.journal.is_leased(parts.domain):
        return
    restore_crossing_keys(parts, owner.side, _log.info)
    if adoption.is_unfinished(parts, owner):
        adoption.finish(parts, owner)
    if parts.journal.stage(parts.domain) is not Stage.MONOLITH:
        parts.journal.set_stage(parts.domain, stage_of(parts, owner.side), owner.epoch)
    if not retirement.is_finished(parts):
        retirement.finish(parts, _log.info)
    kept.epoch = owner.epoch


def _keep_stage_work(parts: Parts, kept: Kept) -> None:
    """What runs beside a stage follows the stage, where whoever moved the domain died before it did."""
    stage = parts.journal.stage(parts.domain)
    if kept.stage is stage or parts.journal.is_leased(parts.domain):
        return
    for work in parts.work.values():
        if work.stage is not stage:
            work.end(parts)
    if stage in parts.work:
        parts.work[stage].begin(parts)
    kept.stage = stage
