"""The controller: looks at every domain a few times a second, finishes what a dead controller began, keeps the
proxies and the fences as the rows say. Any number may run; the lease lets one at a time work on a domain.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg

from cdc.errors import CdcError
from migration_plan import retirement
from migration_plan.endings import abort, finish_grant
from migration_plan.errors import FigError, JournalUnreachable, LeaseHeld, StaleEpoch
from migration_plan.journal import Journal, Lease
from migration_plan.lifecycle import OWNER, Row, Side, Stage
from migration_plan.parts import Parts, read_rows
from migration_plan.preparation import restore_crossing_keys
from migration_plan.recovery import FOR_A_PERSON, Case, Decision, Intent, Known, decide
from proxy.errors import ProxyError, ProxyUnreachable

LEASE_SECONDS = 3.0
_log = logging.getLogger("fig.controller")


def open_intent(journal: Journal, domain: str) -> Intent | None:
    entry = journal.open_intent(domain)
    if entry is None:
        return None
    return Intent(Side(entry.detail["giver"]), int(entry.detail["owner_epoch"]), entry.switch)


def known_owner(journal: Journal, domain: str) -> Known | None:
    """Who owns by the journal, and since which epoch at least; None for a domain that is not being moved."""
    stage, epoch = journal.stage_and_epoch(domain)
    if stage is Stage.MONOLITH:
        return None
    # The stage may be older: a switch that was taken back has raised the epoch, and the next one has written it down.
    last, known = journal.last(domain, "intent"), Known(OWNER[stage], epoch)
    if last is None:
        return known
    return max(known, Known(Side(last.detail["giver"]), int(last.detail["owner_epoch"])), key=lambda one: one.epoch)


def read_and_decide(parts: Parts) -> tuple[Decision, dict[Side, Row | None], Intent | None]:
    """The recovery table, applied to what is the case now. A journal that is away knows nothing."""
    intent, known = None, None
    # Before the rows: what is newer than they are would be taken for something that they have left behind.
    # Without it the rows alone decide whatever was begun; a mere intent can wait for its journal.
    with suppress(JournalUnreachable):
        intent, known = open_intent(parts.journal, parts.domain), known_owner(parts.journal, parts.domain)
    rows = read_rows(parts)
    return decide(rows, intent, known), rows, intent


def recover(parts: Parts, say: Callable[[str], None] = _log.info) -> Decision:
    """Apply the recovery table once. Returns what was decided; safe to repeat at any time, by anyone."""
    decision, rows, intent = read_and_decide(parts)
    if decision.settled:
        return decision
    say(f"{parts.domain}: {decision.case}: {decision.reason}")
    _carry_out(parts, decision, rows)
    alarming = {Case.TWO_OWNERS, Case.WAIT_FOR_TAKER, *FOR_A_PERSON}
    kind = "alarm" if decision.case in alarming else "recovered"
    if decision.case is not Case.UNKNOWN:
        # Without an intent it closes none: one that was written meanwhile is somebody else's.
        switch = uuid4() if intent is None or intent.switch is None else intent.switch
        _record(parts, kind, decision, switch, say)
    return decision


def _carry_out(parts: Parts, decision: Decision, rows: dict[Side, Row | None]) -> None:
    domain, giver, lock = parts.domain, decision.giver, parts.plan.limits.fence_lock
    if giver is None:
        return
    match decision.case:
        case Case.NOTHING_HAPPENED:
            owner = parts.sides[giver].void(domain, decision.epoch, lock)
            parts.route(owner.epoch, giver)
        case Case.ABORT:
            abort(parts, giver, decision.epoch, lock)
        case Case.FINISH_GRANT | Case.FINISH_ROUTE:
            row = rows[giver]
            if decision.case is Case.FINISH_GRANT and row is not None:
                finish_grant(parts, giver, row, lock)
            owner_row = parts.sides[giver.other].row(domain)
            if owner_row is not None and owner_row.state == "owner":
                parts.route(owner_row.epoch, giver.other)
            if row is not None and row.state == "released":
                parts.sides[giver].stand_by(domain, row.epoch, 2.0)
        case Case.TWO_OWNERS | Case.STALE_OWNER:
            past = rows[giver]
            assert past is not None  # noqa: S101 - who says owner was read.
            parts.sides[giver].stop(domain, past.state, past.epoch, lock)
        case _:
            return


def _record(parts: Parts, kind: str, decision: Decision, switch: UUID, say: Callable[[str], None]) -> None:
    try:
        parts.journal.record(
            parts.domain,
            kind,
            decision.epoch,
            switch,
            case=decision.case,
            giver=decision.giver,
            reason=decision.reason,
        )
        rows = read_rows(parts)
        owner = next((row for row in rows.values() if row is not None and row.state == "owner"), None)
        if kind == "recovered" and owner is not None:
            parts.journal.set_stage(parts.domain, stage_of(parts, owner.side), owner.epoch)
    except JournalUnreachable as error:
        say(f"{parts.domain}: done, but not in the journal: {error}")
    except StaleEpoch:
        return  # The stage already knows a later epoch.


def stage_of(parts: Parts, owner: Side) -> Stage:
    """The stage that goes with an owner: the known one, or else the first one of the plan past `monolith`."""
    known = parts.journal.stage(parts.domain)
    if known is not Stage.MONOLITH and OWNER[known] is owner:
        return known
    return next(stage for stage in parts.plan.stages[1:] if OWNER[stage] is owner)


@dataclass
class Watch:
    """What the controller remembers of one domain between two looks; nothing of it decides."""

    parts: Parts
    unsettled_since: float | None = None
    unsettled_rows: str = ""
    told: str = ""
    """What was last handed to a person."""
    alarmed: str = ""
    kept_epoch: int = 0
    kept_stage: Stage | None = None
    breaches: set[str] = field(default_factory=set)


class Controller:
    """The daemon's loop over all domains."""

    def __init__(self, domains: Sequence[Parts], every: float = 0.25) -> None:
        self._watches = [Watch(parts) for parts in domains]
        self._every = every

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop. One domain's trouble never keeps another from being looked at."""
        while not stop.wait(self._every):
            for watch in self._watches:
                try:
                    self._look(watch)
                except (FigError, CdcError, ProxyError, psycopg.Error) as error:
                    self._alarm_once(watch, str(error))

    def _look(self, watch: Watch) -> None:
        parts = watch.parts
        decision, rows, _intent = read_and_decide(parts)
        if all(row is None for row in rows.values()):
            return  # Not enrolled, or nothing can be read: nothing can be decided.
        if decision.settled:
            watch.unsettled_since, watch.told = None, ""
            self._keep(watch, rows)
        elif decision.case is not Case.UNKNOWN:
            self._take_over(watch, decision)
        else:
            self._alarm_once(watch, f"{parts.domain}: {decision.case}: {decision.reason}")

    def _take_over(self, watch: Watch, decision: Decision) -> None:
        """Recover under the lease; without a journal, once nothing has moved for longer than a lease lasts."""
        now, seen = time.monotonic(), f"{decision.case}{decision.epoch}"
        if watch.unsettled_since is None or watch.unsettled_rows != seen:
            watch.unsettled_since, watch.unsettled_rows = now, seen
        if decision.case in FOR_A_PERSON and watch.told == seen:
            return
        if decision.case is Case.WAIT_FOR_TAKER:
            self._alarm_once(watch, f"{watch.parts.domain}: nobody owns: {decision.reason}")
            return
        lease: Lease | None = None
        try:
            lease = watch.parts.journal.acquire(watch.parts.domain, LEASE_SECONDS)
        except LeaseHeld:
            return  # Somebody is at work; should they die, the lease runs out.
        except JournalUnreachable:
            if now - watch.unsettled_since < LEASE_SECONDS:
                return
        try:
            done = recover(watch.parts)
            if done.case in FOR_A_PERSON:
                # Not before it was seen under the lease: both rows cannot be read at one moment.
                watch.told = f"{done.case}{done.epoch}"
                next_step = f"fig resume {watch.parts.domain}"
                self._alarm_once(watch, f"{watch.parts.domain}: {done.case}: {done.reason}; next: {next_step}")
        finally:
            if lease is not None:
                watch.parts.journal.give_back(lease)

    def _keep(self, watch: Watch, rows: dict[Side, Row | None]) -> None:
        """At rest: every proxy at the owner's epoch, every fence as its row says."""
        owner = next((row for row in rows.values() if row is not None and row.state == "owner"), None)
        if owner is None:
            return
        for proxy in watch.parts.proxies:
            try:
                route = proxy.routes().get(watch.parts.domain)
                if route is None or route.epoch < owner.epoch:
                    proxy.set_route(watch.parts.domain, owner.epoch, owner.side)
                    _log.info("%s: proxy %s brought to epoch %s", watch.parts.domain, proxy.name, owner.epoch)
            except ProxyUnreachable as error:
                self._alarm_once(watch, str(error))
        self._watch_fences(watch, rows)
        if watch.kept_epoch != owner.epoch and not watch.parts.journal.is_leased(watch.parts.domain):
            # A controller that died after its switch may have left these two undone.
            restore_crossing_keys(watch.parts, owner.side, _log.info)
            if watch.parts.journal.stage(watch.parts.domain) is not Stage.MONOLITH:
                watch.parts.journal.set_stage(watch.parts.domain, stage_of(watch.parts, owner.side), owner.epoch)
            if not retirement.is_finished(watch.parts):
                retirement.finish(watch.parts, _log.info)
            watch.kept_epoch = owner.epoch
        self._keep_stage_work(watch)

    def _keep_stage_work(self, watch: Watch) -> None:
        """What runs beside a stage follows the stage, where whoever moved the domain died before it did."""
        stage = watch.parts.journal.stage(watch.parts.domain)
        if watch.kept_stage is stage or watch.parts.journal.is_leased(watch.parts.domain):
            return
        for work in watch.parts.work.values():
            if work.stage is not stage:
                work.end(watch.parts)
        if stage in watch.parts.work:
            watch.parts.work[stage].begin(watch.parts)
        watch.kept_stage = stage

    def _watch_fences(self, watch: Watch, rows: dict[Side, Row | None]) -> None:
        """The watchdog: a fence that is not as its row says is repaired and reported, by name."""
        found: set[str] = set()
        for side, row in rows.items():
            if row is None:
                continue
            for breach in watch.parts.sides[side].breaches(watch.parts.domain):
                found.add(f"{side}:{breach.relation}:{breach.trigger_state}")
                if found - watch.breaches:
                    said = {"side": side, "relation": breach.relation, "trigger": breach.trigger_state, "row": str(row)}
                    _log.error("%s", json.dumps({"alarm": "fence-breach", "domain": watch.parts.domain, **said}))
                    watch.parts.journal.record(
                        watch.parts.domain, "alarm", row.epoch, case="fence-breach", side=side,
                        relation=breach.relation, trigger=breach.trigger_state, row=str(row),
                    )  # fmt: skip
                watch.parts.sides[side].repair_fence(watch.parts.domain, watch.parts.plan.limits.fence_lock)
        watch.breaches = found

    @staticmethod
    def _alarm_once(watch: Watch, message: str) -> None:
        if watch.alarmed != message:
            watch.alarmed = message
            _log.error("%s", json.dumps({"alarm": "controller", "domain": watch.parts.domain, "message": message}))
