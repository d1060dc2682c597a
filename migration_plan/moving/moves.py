"""From one stage to the next: what would be done, whether it may be done, and doing it.

`steps.py` is the dry run; `move` performs the same steps. Both start from the rows, not from memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from migration_plan.errors import (
    FigError,
    JournalUnreachable,
    LeaseLost,
    PreflightRefused,
    Refusal,
    SideUnreachable,
    StageRefused,
    SwitchAborted,
)
from migration_plan.exit_codes import Exit
from migration_plan.journal.access import Role
from migration_plan.journal.journal import Lease
from migration_plan.lifecycle import OWNER, TRANSITIONS, Act, Row, Side, Stage, next_stage
from migration_plan.moving.forecast import Cost, forecast_of
from migration_plan.moving.gates import gates_of
from migration_plan.moving.judgement import Judgement
from migration_plan.moving.steps import Move
from migration_plan.parts import STAGES_WITH_WORK, Parts, no_checkpoint, read_rows
from migration_plan.recovering import adoption
from migration_plan.recovering.controller import LEASE_SECONDS, recover
from migration_plan.recovering.diagnosis import read_and_decide, stage_of
from migration_plan.recovering.leasing import acquired, kept_up
from migration_plan.recovering.recovery import Decision
from migration_plan.retiring import retirement
from migration_plan.retiring.retirement import Leftover
from migration_plan.switching.switch import Switch, SwitchResult
from migration_plan.sync import acceptance, outboxes
from migration_plan.sync.acceptance import Accepted
from migration_plan.sync.preparation import drop_crossing_keys, restore_crossing_keys, start_sync, stop_sync


class Unsettled(FigError):
    """A switch was begun and not finished, or a side cannot be read: recovery comes first."""

    code = "unsettled"
    exit_code = Exit.MOVED_MEANWHILE


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
    return _stage(parts, rows), rows


def _stage(parts: Parts, rows: Mapping[Side, Row | None]) -> Stage:
    stage = parts.journal.stage(parts.domain)
    owner = next((row for row in rows.values() if row is not None and row.state == "owner"), None)
    if owner is not None and stage is not Stage.MONOLITH and OWNER[stage] is not owner.side:
        stage = stage_of(parts, owner.side)
    return stage


def find_move(parts: Parts, forward: bool, to: Stage | None = None) -> Move:
    """Which move a command means, or why there is none."""
    decision, rows, _intent = read_and_decide(parts)
    stage = _stage(parts, rows)
    after = next_stage(parts.plan.stages, stage, forward, to)
    act = TRANSITIONS[stage, after]
    if after in STAGES_WITH_WORK and after not in parts.work:
        raise StageRefused(f'nothing here knows what to do in stage "{after}"', "take it out of the plan's stages")
    if act is Act.START_SYNC:
        return Move(parts.plan, stage, after, act, None, outboxes.coming(parts))
    for side, row in rows.items():
        if row is None:
            parts.sides[side].row(parts.domain)  # Raises what is the matter, by name.
            raise SideUnreachable(side, f'the domain "{parts.domain}" is not enrolled there')
    if not decision.settled:
        raise Unsettled(f'domain "{parts.domain}": {decision.case}: {decision.reason}', f"fig resume {parts.domain}")
    owner = next(row for row in rows.values() if row is not None and row.state == "owner")
    publishers = outboxes.going(parts) if act is Act.STOP_SYNC else ()
    return Move(parts.plan, stage, after, act, owner, publishers, parts.work.get(stage), parts.work.get(after))


def stage_named(name: str | None) -> Stage | None:
    """The stage that a person typed; StageRefused lists those there are."""
    if name is None:
        return None
    try:
        return Stage(name)
    except ValueError:
        raise StageRefused(f'there is no stage "{name}"', f"stages: {', '.join(Stage)}") from None


@dataclass
class Mover:
    """Performs moves; what differs between the shell, the daemon and the tests is passed in."""

    parts: Parts
    say: Callable[[str], None] = no_checkpoint
    checkpoint: Callable[[str], None] = no_checkpoint
    cancelled: threading.Event = field(default_factory=threading.Event)

    def move(self, forward: bool, to: Stage | None = None, force: str = "") -> MoveResult:
        """Perform the move under the domain's lease; PreflightRefused with all reasons, nothing changed.

        `force`: why the gates that can be forced are passed though they do not hold; empty: they are not.
        """
        domain, journal = self.parts.domain, self.parts.journal
        if force:
            journal.demand(Role.ADMIN, "--force")
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
                journal.demand(Role.ADMIN, "advance to retired")
                left = retirement.retire(self.parts, move.owner, self.say, self.checkpoint)
                return replace(result, leftovers=tuple(left))
            with kept_up(lease):  # Looking at everything may take longer than a lease lasts.
                parts = self._pass_gates(move, force)
            if move.act is not Act.SWITCH:
                self._change_stage(move, move.owner, lease)
                return result
            done = self._switch(move.owner, lease, parts)
            journal.set_stage(domain, move.after, done.epoch)
            self._work(move)
            return replace(result, switch=done)
        finally:
            journal.give_back(lease)

    def _pass_gates(self, move: Move, force: str) -> Parts:
        """Refuse here, all reasons at once, before anyone waits; what was forced is journaled with its figures.

        What to go on with: a proxy that somebody has forced the move past is not asked to hold, it could not answer.
        """
        self.say("preflight" if move.act is Act.SWITCH else "gates")
        judgement = Judgement(gates_of(self.parts, move), force)
        foreseen = forecast_of(self.parts, move, judgement)
        if foreseen is not None:
            self.say(f"rollback, {foreseen}")
        judgement.demand(self.parts.domain)
        if foreseen is not None and foreseen.cost is Cost.REFUSED:
            raise PreflightRefused(self.parts.domain, [Refusal("rollback-too-far", why) for why in foreseen.reasons])
        if judgement.gates:
            epoch = None if move.owner is None else move.owner.epoch
            self.parts.journal.record(
                self.parts.domain, "gates", epoch, was=move.now, stage=move.after, figures=judgement.figures,
                forecast=None if foreseen is None else str(foreseen),
            )  # fmt: skip
            if judgement.overridden:
                passed = [gate.as_json() for gate in judgement.overridden]
                self.parts.journal.record(self.parts.domain, "forced", epoch, force=force, gates=passed)
        forced = any(gate.name == "proxies" for gate in judgement.overridden)
        return self.parts.without_silent_proxies() if forced else self.parts

    def _change_stage(self, move: Move, owner: Row, lease: Lease) -> None:
        """The stage in the journal is the decision; the controller repeats what follows it, should we die here."""
        if not self.parts.journal.renew(lease):
            raise LeaseLost(self.parts.domain)
        self.say("stage")
        self.parts.journal.record(self.parts.domain, "stage", owner.epoch, was=move.now, stage=move.after)
        self.parts.journal.set_stage(self.parts.domain, move.after, owner.epoch)
        self.checkpoint("stage-decided")
        self._work(move)

    def _work(self, move: Move) -> None:
        """What runs beside the old stage ends, and that of the new one begins."""
        if move.ends is not None:
            self.say(f"end-{move.ends.stage}")
            move.ends.end(self.parts)
        if move.begins is not None:
            self.say(f"begin-{move.begins.stage}")
            move.begins.begin(self.parts)

    def _switch(self, owner: Row, lease: Lease, parts: Parts) -> SwitchResult:
        """The switch itself, and around it the keys that cross the border: gone before, back where the owner is."""
        switch = Switch(parts, owner.side, owner.epoch, lease, self.checkpoint, self.cancelled, self.say)
        drop_crossing_keys(self.parts, owner.side, self.say)
        try:
            done = switch.run()
        except SwitchAborted:
            restore_crossing_keys(self.parts, owner.side, self.say)
            raise
        restore_crossing_keys(self.parts, owner.side.other, self.say)
        return done

    def adopt(self, side: Side) -> Row:
        """Make a side the owner by a person's word, after a restore; refused where the rows say who owns."""
        self.parts.journal.demand(Role.ADMIN, "resume --owner")
        lease = acquired(self.parts, self.say)
        try:
            return adoption.adopt(self.parts, side, self.say, self.checkpoint)
        finally:
            self.parts.journal.give_back(lease)

    def accept_schema(self) -> Accepted:
        """Both schemas have changed and the plan fits them: the streams go on; refused by name where it does not."""
        lease = acquired(self.parts, self.say)
        try:
            return acceptance.accept(self.parts, self.say, self.checkpoint)
        finally:
            self.parts.journal.give_back(lease)

    def resume(self) -> Decision:
        """Apply the recovery table once, under the lease where the journal answers; a dead holder's runs out."""
        try:
            lease = acquired(self.parts, self.say)
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
