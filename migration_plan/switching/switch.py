"""The switch: routes, write ownership, direction of rows and sequences move from one side to the other as one act.

`Switch.run` reads as the protocol does. Until `release` everything can be taken back with the giver alone; after it
there is only forward. A controller may die or be paused on any line: `recovery.py` says what its successor does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg

from migration_plan.errors import (
    Cancelled,
    DrainTimedOut,
    FigError,
    JournalUnreachable,
    LeaseLost,
    OutboxNotDrained,
    RequestsBusy,
    SwitchAborted,
    TablesBusy,
)
from migration_plan.journal.journal import Lease
from migration_plan.lifecycle import Row, Side
from migration_plan.parts import Parts, no_checkpoint
from migration_plan.switching.endings import abort, finish_grant
from migration_plan.switching.making_way import Way
from migration_plan.tracing import spans
from proxy.errors import ProxyError

CHECKPOINTS = (
    "before-intent", "after-intent", "after-hold", "after-requests", "after-fence", "after-drain", "after-release",
    "after-grant", "after-route", "after-reverse", "after-done",
)  # fmt: skip
# Seconds that the first attempts wait for requests and for locks; each after them waits twice as long as the one
# before, up to the plan's limits. Whoever is held by an attempt that fails goes on where it was.
SHORT_ATTEMPT, SHORT_ATTEMPTS = 0.03, 5
RENEW_EVERY = 1.0  # Seconds; a lease lasts three times as long. A drain that ends sooner never asks the journal.
POLL = 0.002  # Seconds between two looks while requests are held; long enough not to be a load.


@dataclass(frozen=True)
class SwitchResult:
    """What a switch did, for reports. Times in milliseconds."""

    domain: str
    giver: Side
    taker: Side
    epoch: int
    switch: UUID
    attempts: int
    held: int
    hold_ms: float
    drain_ms: float
    silent_proxies: list[str]

    def as_json(self) -> dict[str, object]:
        return {
            "domain": self.domain, "from": self.giver, "to": self.taker, "epoch": self.epoch,
            "switch": str(self.switch), "attempts": self.attempts, "held": self.held,
            "hold_ms": round(self.hold_ms, 2), "drain_ms": round(self.drain_ms, 2),
            "silent_proxies": self.silent_proxies,
        }  # fmt: skip


@dataclass
class Switch:
    """One move of ownership. Made for one run."""

    parts: Parts
    giver: Side
    epoch: int  # The giver's epoch as owner; the switch happens at epoch + 1.
    lease: Lease
    checkpoint: Callable[[str], None] = no_checkpoint
    cancelled: threading.Event = field(default_factory=threading.Event)
    say: Callable[[str], None] = no_checkpoint
    id: UUID = field(default_factory=uuid4)
    attempts: int = 0
    _longest_hold: float = 0.0
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _events: list[spans.Told] = field(default_factory=list)
    _held_since: float = 0.0
    _renewed: float = 0.0
    _held_before: int = 0

    def run(self) -> SwitchResult:
        """The whole protocol after preflight. SwitchAborted when it was taken back; nothing is ever left open."""
        self._intent()
        drained = 0.0
        try:
            fenced = self._fence_within_patience()
            drained = self._drain(fenced)
            self._release(fenced)
        except (FigError, ProxyError, psycopg.Error) as error:
            released = self._released()
            if released is None:
                raise self._abort(error) from error
            fenced = released
        # The giver has let go; whatever fails from here on is repeated, here or by whoever recovers.
        finish_grant(self.parts, self.giver, fenced, self._lock)
        self._note("granted", to=self.taker)
        self.checkpoint("after-grant")
        silent = self.parts.route(fenced.epoch, self.taker)
        hold_ms = self._hold_ends()
        self._note("routed", hold_ms=round(hold_ms, 2), silent_proxies=silent)
        self.checkpoint("after-route")
        self.parts.sides[self.giver].stand_by(self.parts.domain, fenced.epoch, 2.0)
        self._note("reversed", stream=self.parts.stream_to(self.giver))
        self.checkpoint("after-reverse")
        self._close("done", hold_ms=round(hold_ms, 2), drain_ms=round(drained, 2))
        self.checkpoint("after-done")
        held = self.parts.held_so_far()
        return SwitchResult(
            self.parts.domain, self.giver, self.taker, fenced.epoch, self.id, self.attempts,
            held - self._held_before, hold_ms, drained, silent,
        )  # fmt: skip

    @property
    def taker(self) -> Side:
        return self.giver.other

    @property
    def _lock(self) -> float:
        return self.parts.plan.limits.fence_lock

    def _intent(self) -> None:
        """1 intent: durable before anything changes."""
        self.checkpoint("before-intent")
        self.parts.journal.record(
            self.parts.domain,
            "intent",
            self.epoch + 1,
            self.id,
            giver=self.giver,
            taker=self.taker,
            owner_epoch=self.epoch,
        )
        self.parts.route(self.epoch, self.giver)  # A proxy that was away learns where things stand.
        self._held_before = self.parts.held_so_far()
        self.checkpoint("after-intent")

    def _fence_within_patience(self) -> Row:
        """2 hold, 3 fence; each failed attempt releases the hold before it waits for whoever is in the way."""
        deadline = time.monotonic() + self.parts.plan.limits.patience
        for database in self.parts.sides.values():
            database.rehearse()
        way, pauses = Way(self.parts, self.giver, self.lease, self._stop_if_cancelled, self.say), back_off()
        while True:
            way.make(deadline)
            way.await_quiet_moment(self.parts.plan.limits.quiet)
            try:
                return self._hold_and_fence()
            except (TablesBusy, RequestsBusy) as busy:
                self.parts.release_hold(self.epoch)
                self._hold_ends()
                if time.monotonic() > deadline:
                    raise
                pause = next(pauses)
                self.say(f"not yet, {pause:g} s for everybody else: {busy}")
                self.cancelled.wait(pause)

    def _hold_and_fence(self) -> Row:
        self._stop_if_cancelled()
        if not self.lease.journal.renew(self.lease):
            raise LeaseLost(self.parts.domain)
        self._renewed = time.monotonic()
        self.attempts += 1
        limits, patience = self.parts.plan.limits, SHORT_ATTEMPT * 2 ** max(0, self.attempts - SHORT_ATTEMPTS)
        self._held_since = time.monotonic()
        for proxy in self.parts.proxies:
            proxy.hold(self.parts.domain, self.epoch, limits.hold)
        self._note("held")
        self.checkpoint("after-hold")
        self._wait_for_requests(min(limits.requests, patience))
        requests_ms = (time.monotonic() - self._held_since) * 1000
        self.checkpoint("after-requests")
        fenced = self.parts.sides[self.giver].fence(
            self.parts.domain, self.epoch, min(self._lock, patience), self.parts.sequences_from(self.giver)
        )
        fence_ms = (time.monotonic() - self._held_since) * 1000 - requests_ms
        self._note("fenced", marker=fenced.marker, requests_ms=round(requests_ms, 2), fence_ms=round(fence_ms, 2))
        self.checkpoint("after-fence")
        return fenced

    def _hold_ends(self) -> float:
        """The longest that anybody was held, over all attempts, in milliseconds."""
        self._longest_hold = max(self._longest_hold, (time.monotonic() - self._held_since) * 1000)
        return self._longest_hold

    def _wait_for_requests(self, bound: float) -> None:
        deadline = time.monotonic() + bound
        while left := self.parts.requests_in_flight():
            if time.monotonic() > deadline:
                raise RequestsBusy(self.parts.domain, left, bound)
            time.sleep(POLL)

    def _drain(self, fenced: Row) -> float:
        """4 drain: the taker has applied the marker and could be granted. Milliseconds it took."""
        taker, limits = self.parts.sides[self.taker], self.parts.plan.limits
        stream, began = self.parts.stream_to(self.taker), time.monotonic()
        assert fenced.marker is not None  # noqa: S101 - a fenced row always carries its marker.
        while not taker.marker_applied(fenced.epoch, stream, fenced.marker):
            self._stay()
            if time.monotonic() - began > limits.drain:
                raise DrainTimedOut(self.parts.domain, stream, limits.drain)
            time.sleep(POLL)
        self._await_outbox(fenced.marker, began)
        drained = (time.monotonic() - began) * 1000
        if not taker.can_grant(self.parts.domain, fenced.epoch, stream, fenced.marker, self._lock):
            raise DrainTimedOut(self.parts.domain, stream, limits.drain)
        self._note("drained", drain_ms=round(drained, 2))
        self.checkpoint("after-drain")
        return drained

    def _await_outbox(self, marker: str, began: float) -> None:
        """What the giver has told is with the broker, within the drain's bound: nobody publishes it afterwards."""
        if self.parts.plan.outbox is None:
            return
        giver, publisher = self.parts.sides[self.giver], self.parts.publisher_of(self.giver)
        while not giver.outbox_passed(publisher, marker):
            self._stay()
            if time.monotonic() - began > self.parts.plan.limits.drain:
                raise OutboxNotDrained(self.parts.domain, publisher, self.parts.plan.limits.drain)
            time.sleep(POLL)
        self._note("published", publisher=publisher)

    def _release(self, fenced: Row) -> None:
        """5 release: here it is decided."""
        self._stop_if_cancelled()
        self.parts.sides[self.giver].release(self.parts.domain, fenced.epoch, self._lock)
        self._note("released")
        self.checkpoint("after-release")

    def _released(self) -> Row | None:
        """The giver's row if it has let go although we were told of an error: the release's answer was lost."""
        here = self.parts.sides[self.giver].row(self.parts.domain)
        return here if here is not None and here.state == "released" and here.epoch == self.epoch + 1 else None

    def _abort(self, why: Exception) -> SwitchAborted:
        """Take it back. Where the giver was not fenced its epoch stays; where it was, it owns at epoch + 2."""
        giver = self.parts.sides[self.giver]
        here = giver.row(self.parts.domain)
        if here is not None and here.state == "fenced" and here.epoch == self.epoch + 1:
            here = abort(self.parts, self.giver, here.epoch, self._lock)
        elif here is not None and here.state == "owner":
            self.parts.release_hold(self.epoch)
        self._close("aborted", reason=str(why))
        state = (
            f"{self.giver} owns at epoch {here.epoch}" if here and here.state == "owner" else f"{self.giver} is {here}"
        )
        return SwitchAborted(
            f'the switch of "{self.parts.domain}" was taken back, {state}: {why}',
            f"fig history {self.parts.domain}",
        )

    def _stay(self) -> None:
        """Between two looks of a wait that may outlast the lease: go on, or an error that takes the switch back."""
        self._stop_if_cancelled()
        if time.monotonic() - self._renewed > RENEW_EVERY:
            if not self.lease.journal.renew(self.lease):
                raise LeaseLost(self.parts.domain)
            self._renewed = time.monotonic()

    def _stop_if_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled(f'the switch of "{self.parts.domain}" was cancelled')

    def _note(self, kind: str, **detail: object) -> None:
        """Outcomes are written once nobody is held; the rows are the truth meanwhile."""
        self._events.append(spans.Told(datetime.now(UTC), kind, detail))
        self.say(kind)

    def _close(self, kind: str, **detail: object) -> None:
        self._note(kind, **detail)
        try:
            self.parts.journal.record_all(self.parts.domain, self.epoch + 1, self.id, self._events)
        except JournalUnreachable as error:
            self.say(f"the outcome is not in the journal yet (the controller will write it): {error}")
        facts = {"domain": self.parts.domain, "giver": self.giver, "taker": self.taker, "epoch": self.epoch + 1}
        spans.tell("switch", self.id, self._began, self._events, facts)


def back_off(first: float = 0.1, longest: float = 2.0) -> Iterator[float]:
    """Growing pauses, in seconds, without end: whoever was held up by an attempt gets more than that back."""
    while True:
        yield first
        first = min(2 * first, longest)
