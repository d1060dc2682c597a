"""The controller: looks at every domain a few times a second, finishes what a dead controller began, keeps the
proxies and the fences as the rows say. Any number may run; the lease lets one at a time work on a domain.
"""

from __future__ import annotations

import functools
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg

from cdc.errors import CdcError
from migration_plan.errors import FigError, JournalUnreachable, LeaseHeld, StaleEpoch
from migration_plan.journal.journal import Lease
from migration_plan.lifecycle import Row, Side
from migration_plan.parts import Parts, read_rows
from migration_plan.recovering.diagnosis import read_and_decide, stage_of
from migration_plan.recovering.keeping import Kept, keep
from migration_plan.recovering.recovery import FOR_A_PERSON, Case, Decision
from migration_plan.switching.endings import abort, finish_grant
from migration_plan.tracing import spans
from proxy.errors import ProxyError

LEASE_SECONDS = 3.0
UNKNOWN_EVERY = 1.0
"""Seconds between two looks at a domain that neither side knows of: most are, for months, and nothing is to be done."""
_log = logging.getLogger("fig.controller")


def recover(parts: Parts, say: Callable[[str], None] = _log.info) -> Decision:
    """Apply the recovery table once. Returns what was decided; safe to repeat at any time, by anyone."""
    decision, rows, intent = read_and_decide(parts)
    if decision.settled:
        return decision
    say(f"{parts.domain}: {decision.case}: {decision.reason}")
    began = datetime.now(UTC)
    _carry_out(parts, decision, rows)
    alarming = {Case.TWO_OWNERS, Case.WAIT_FOR_TAKER, *FOR_A_PERSON}
    kind = "alarm" if decision.case in alarming else "recovered"
    if decision.case is not Case.UNKNOWN:
        # Without an intent it closes none: one that was written meanwhile is somebody else's.
        switch = uuid4() if intent is None or intent.switch is None else intent.switch
        _record(parts, kind, decision, switch, say)
        if kind == "recovered":
            step = spans.Told(datetime.now(UTC), kind, {"case": decision.case, "epoch": decision.epoch})
            spans.tell("recovery", switch, began, [step], {"domain": parts.domain})
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


@dataclass
class Watch:
    """What the controller remembers of one domain between two looks; nothing of it decides."""

    parts: Parts
    unsettled_since: float | None = None
    unsettled_rows: str = ""
    told: str = ""
    """What was last handed to a person."""
    alarmed: str = ""
    next_look: float = 0.0
    """By `time.monotonic()`."""
    kept: Kept = field(default_factory=Kept)


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
        if time.monotonic() < watch.next_look:
            return
        decision, rows, _intent = read_and_decide(parts)
        if all(row is None for row in rows.values()):
            watch.next_look = time.monotonic() + UNKNOWN_EVERY
            return  # Not enrolled, or nothing can be read: nothing can be decided.
        if decision.settled:
            watch.unsettled_since, watch.told = None, ""
            keep(parts, rows, watch.kept, functools.partial(self._alarm_once, watch))
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

    @staticmethod
    def _alarm_once(watch: Watch, message: str) -> None:
        if watch.alarmed != message:
            watch.alarmed = message
            _log.error("%s", json.dumps({"alarm": "controller", "domain": watch.parts.domain, "message": message}))
