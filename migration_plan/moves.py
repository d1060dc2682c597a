"""From one stage to the next: what would be done, whether it may be done, and doing it.

`steps` is the dry run; `move` performs the same steps. Both start from the rows, not from memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from migration_plan import outboxes, retirement
from migration_plan.controller import LEASE_SECONDS, open_intent, recover, stage_of
from migration_plan.errors import FigError, JournalUnreachable, LeaseHeld, SideUnreachable, StageRefused, SwitchAborted
from migration_plan.journal import Lease
from migration_plan.lifecycle import OWNER, TRANSITIONS, Act, Row, Side, Stage, next_stage
from migration_plan.parts import Parts, no_checkpoint, publisher_of, read_rows
from migration_plan.plan import Plan
from migration_plan.preparation import (
    check_switch,
    drop_crossing_keys,
    restore_crossing_keys,
    start_sync,
    stop_sync,
)
from migration_plan.recovery import Decision, decide
from migration_plan.retirement import Leftover
from migration_plan.switch import SHORT_ATTEMPT, Switch, SwitchResult


class Unsettled(FigError):
    """A switch was begun and not finished, or a side cannot be read: recovery comes first."""

    code = "unsettled"
    exit_code = 7


@dataclass(frozen=True)
class Step:
    """One step of a move, as it would be journaled and as a person reads it."""

    name: str
    what: str

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "what": self.what}


@dataclass(frozen=True)
class Move:
    """A move that is possible now: the stages, the act, and the owner it starts from."""

    plan: Plan
    now: Stage
    after: Stage
    act: Act
    owner: Row | None  # None while the domain is not enrolled.
    publishers: tuple[str, ...] = ()  # Whose slots come with a sync, or go with it.


@dataclass(frozen=True)
class MoveResult:
    """What came of it."""

    domain: str
    now: Stage
    after: Stage
    switch: SwitchResult | None = None
    bytes_copied: int | None = None
    leftovers: tuple[Leftover, ...] = ()
    """After the last stage: what nobody needs any more."""

    def as_json(self) -> dict[str, object]:
        result: dict[str, object] = {"domain": self.domain, "stage": self.after, "was": self.now}
        if self.switch is not None:
            result["switch"] = self.switch.as_json()
        if self.bytes_copied is not None:
            result["bytes_copied"] = self.bytes_copied
        if self.leftovers:
            result["leftovers"] = [leftover.as_json() for leftover in self.leftovers]
        return result


def current(parts: Parts) -> tuple[Stage, Mapping[Side, Row | None]]:
    """The stage and both rows; the rows win where the journal's last line is missing."""
    rows = read_rows(parts)
    stage = parts.journal.stage(parts.domain)
    owner = next((row for row in rows.values() if row is not None and row.state == "owner"), None)
    if owner is not None and stage is not Stage.MONOLITH and OWNER[stage] is not owner.side:
        stage = stage_of(parts, owner.side)
    return stage, rows


def find_move(parts: Parts, forward: bool, to: Stage | None = None) -> Move:
    """Which move a command means, or why there is none."""
    stage, rows = current(parts)
    after = next_stage(parts.plan.stages, stage, forward, to)
    act = TRANSITIONS[stage, after]
    if act is Act.START_SYNC:
        return Move(parts.plan, stage, after, act, None, outboxes.coming(parts))
    for side, row in rows.items():
        if row is None:
            parts.sides[side].row(parts.domain)  # Raises what is the matter, by name.
            raise SideUnreachable(side, f'the domain "{parts.domain}" is not enrolled there')
    decision = decide(rows, open_intent(parts.journal, parts.domain))
    if not decision.settled:
        raise Unsettled(f'domain "{parts.domain}": {decision.case}: {decision.reason}', f"fig resume {parts.domain}")
    owner = next(row for row in rows.values() if row is not None and row.state == "owner")
    publishers = outboxes.going(parts) if act is Act.STOP_SYNC else ()
    return Move(parts.plan, stage, after, act, owner, publishers)


def steps(move: Move) -> list[Step]:
    """The exact steps, in order."""
    plan, domain = move.plan, move.plan.domain
    if move.act is Act.START_SYNC:
        return [
            Step("preflight", "refuse everything that can be refused, all reasons at once"),
            Step("enroll", f"install fig's rows and disarmed fences on {_tables(plan, Side.MONOLITH)}; armed ones on"
                 f" {_tables(plan, Side.SERVICE)}"),
            Step("prepare", f"publication fig_{domain} on both sides; slot fig_{domain}_to_monolith on the service's"
                 f"{_slots(move.publishers)}"),
            Step("snapshot", f"slot fig_{domain}_to_service with its snapshot; copy through the lens"),
            Step("catch-up", "a probe goes through both streams"),
            Step("routes", f"every proxy: {domain} belongs to the monolith, epoch 1"),
        ]  # fmt: skip
    if move.act is Act.STOP_SYNC:
        return [
            Step(
                "streams",
                f"slots fig_{domain}_to_service and fig_{domain}_to_monolith and both publications go"
                f"{_slots(move.publishers)}",
            ),
            Step("dismiss", "fences and rows of fig go from both sides; the copied rows stay where they are"),
        ]
    assert move.owner is not None  # noqa: S101 - a switch starts from an owner.
    if move.act is Act.RETIRE:
        return [Step(name, what) for name, what in retirement.steps(plan, move.owner.epoch)]
    giver, taker, epoch = move.owner.side, move.owner.side.other, move.owner.epoch + 1
    limits = plan.limits
    dropped = [name for name, decision in plan.crossing.foreign_keys.items() if decision == "drop"]
    crossing = [Step("crossing", f"on {giver}, drop; on {taker}, restore: {', '.join(dropped)}")] if dropped else []
    return [
        Step("preflight", "refuse everything that can be refused, all reasons at once; a probe goes both ways"),
        *crossing,
        Step("intent", f"journal: {giver} -> {taker}, epoch {epoch}"),
        Step("wait", f"nobody is held: until no transaction is in the way, at most {limits.patience} s; then for a"
             f" moment when no write is under way, at most {limits.quiet} s"),
        Step("hold", f"every proxy holds writes of {', '.join(r.path for r in plan.routes)};"
             f" requests in flight end within {SHORT_ATTEMPT} s (later: {limits.requests} s), else wait again"),
        Step("fence", f"{giver}: owner,{epoch - 1} -> fenced,{epoch} on {_tables(plan, giver)};"
             f" lock_timeout {SHORT_ATTEMPT} s (later: {limits.fence_lock} s), else wait again"),
        Step("drain", f"wait until {taker} has applied the marker, at most {limits.drain} s, else abort"
             f"{_published(plan, giver)}"),
        Step("release", f"{giver}: fenced,{epoch} -> released,{epoch} (the decision)"),
        Step("grant", f"{taker}: -> owner,{epoch}; sequences {', '.join(_sequences(plan, taker)) or 'none'}"),
        Step("route", f"every proxy: {domain} -> {taker}, epoch {epoch}; release the hold"),
        Step("reverse", f"stream {domain}_to_{giver} brings rows back to {giver}"),
        Step("done", f"journal; stage {move.after}"),
    ]  # fmt: skip


def stage_named(name: str | None) -> Stage | None:
    """The stage that a person typed; StageRefused lists those there are."""
    if name is None:
        return None
    try:
        return Stage(name)
    except ValueError:
        raise StageRefused(f'there is no stage "{name}"', f"stages: {', '.join(Stage)}") from None


def _tables(plan: Plan, side: Side) -> str:
    return ", ".join(f"{table.schema}.{table.name}" for table in plan.lens.tables(side))


def _slots(publishers: tuple[str, ...]) -> str:
    return f"; publishers {', '.join(publishers)} with theirs" if publishers else ""


def _published(plan: Plan, giver: Side) -> str:
    return f"; until {publisher_of(plan.domain, giver)} has given all to the broker, too" if plan.outbox else ""


def _sequences(plan: Plan, taker: Side) -> list[str]:
    return [pair.service if taker is Side.SERVICE else pair.monolith for pair in plan.sequences]


@dataclass
class Mover:
    """Performs moves; what differs between the shell, the daemon and the tests is passed in."""

    parts: Parts
    say: Callable[[str], None] = no_checkpoint
    checkpoint: Callable[[str], None] = no_checkpoint
    cancelled: threading.Event = field(default_factory=threading.Event)

    def move(self, forward: bool, to: Stage | None = None) -> MoveResult:
        """Perform the move under the domain's lease; PreflightRefused with all reasons, nothing changed."""
        domain, journal = self.parts.domain, self.parts.journal
        lease = journal.acquire(domain, LEASE_SECONDS)
        try:
            move = find_move(self.parts, forward, to)
            result = MoveResult(domain, move.now, move.after)
            if move.act is Act.START_SYNC:
                copied = start_sync(self.parts, lease, self.say)
                return replace(result, bytes_copied=copied)
            if move.act is Act.STOP_SYNC:
                stop_sync(self.parts, self.say)
                return result
            if move.owner is None:
                raise StageRefused(f'domain "{domain}" has no owner', f"fig resume {domain}")
            if move.act is Act.RETIRE:
                left = retirement.retire(self.parts, move.owner, self.say, self.checkpoint)
                return replace(result, leftovers=tuple(left))
            check_switch(self.parts, move.owner, self.say)
            done = self._switch(move.owner, lease)
            journal.set_stage(domain, move.after, done.epoch)
            return replace(result, switch=done)
        finally:
            journal.give_back(lease)

    def _switch(self, owner: Row, lease: Lease) -> SwitchResult:
        """The switch itself, and around it the keys that cross the border: gone before, back where the owner is."""
        switch = Switch(self.parts, owner.side, owner.epoch, lease, self.checkpoint, self.cancelled, self.say)
        drop_crossing_keys(self.parts, owner.side, self.say)
        try:
            done = switch.run()
        except SwitchAborted:
            restore_crossing_keys(self.parts, owner.side, self.say)
            raise
        restore_crossing_keys(self.parts, owner.side.other, self.say)
        return done

    def _lease_within(self, seconds: float) -> Lease:
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.parts.journal.acquire(self.parts.domain, LEASE_SECONDS)
            except LeaseHeld as held:
                if time.monotonic() > deadline:
                    raise
                self.say(str(held))
                self.cancelled.wait(0.2)

    def resume(self) -> Decision:
        """Apply the recovery table once, under the lease where the journal answers; a dead holder's runs out."""
        try:
            lease = self._lease_within(2 * LEASE_SECONDS)
        except JournalUnreachable as error:
            self.say(f"without the journal: {error}")
            return recover(self.parts, self.say)
        try:
            decision = recover(self.parts, self.say)
            if not retirement.is_finished(self.parts):
                retirement.finish(self.parts, self.say)
            return decision
        finally:
            self.parts.journal.give_back(lease)
