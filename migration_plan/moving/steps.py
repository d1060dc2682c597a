"""A move as values: what it is, and the exact steps it takes; `fig advance --dry-run` prints them."""

from __future__ import annotations

from dataclasses import dataclass

from migration_plan.configuration.plan import Plan
from migration_plan.lifecycle import Act, Row, Side, Stage
from migration_plan.parts import StageWork, publisher_of
from migration_plan.retiring import retirement
from migration_plan.switching.switch import SHORT_ATTEMPT


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
    ends: StageWork | None = None  # What runs beside the domain now and does not afterwards.
    begins: StageWork | None = None


def steps(move: Move) -> list[Step]:
    """The exact steps, in order."""
    match move.act:
        case Act.START_SYNC:
            return _start_sync(move)
        case Act.STOP_SYNC:
            return _stop_sync(move)
        case Act.RETIRE:
            return [Step(name, what) for name, what in retirement.steps(move.plan, _owner(move).epoch)]
        case Act.SWITCH:
            return [*_switch(move), *_work(move)]
        case _:
            return _change_stage(move)


def _owner(move: Move) -> Row:
    assert move.owner is not None  # noqa: S101 - `find_move` makes no other one without an owner.
    return move.owner


def _start_sync(move: Move) -> list[Step]:
    plan, domain = move.plan, move.plan.domain
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


def _stop_sync(move: Move) -> list[Step]:
    domain = move.plan.domain
    gone = f"slots fig_{domain}_to_service and fig_{domain}_to_monolith and both publications go"
    return [
        Step("streams", f"{gone}{_slots(move.publishers)}"),
        Step("dismiss", "fences and rows of fig go from both sides; the copied rows stay where they are"),
    ]


def _change_stage(move: Move) -> list[Step]:
    """Between stages of one owner: nothing moves but what the proxies show, and to whom."""
    owner = _owner(move)
    gates = [Step("gates", f"every gate to leave {move.now} holds")] if move.after.place > move.now.place else []
    decided = f"journal: stage {move.after} at epoch {owner.epoch} (the decision); {owner.side} goes on"
    return [*gates, Step("stage", f"{decided} owning"), *_work(move)]


def _work(move: Move) -> list[Step]:
    ends = [Step(f"end-{move.ends.stage}", move.ends.ends)] if move.ends else []
    return [*ends, *([Step(f"begin-{move.begins.stage}", move.begins.begins)] if move.begins else [])]


def _switch(move: Move) -> list[Step]:
    plan, domain, owner = move.plan, move.plan.domain, _owner(move)
    giver, taker, epoch = owner.side, owner.side.other, owner.epoch + 1
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


def _tables(plan: Plan, side: Side) -> str:
    return ", ".join(f"{table.schema}.{table.name}" for table in plan.lens.tables(side))


def _slots(publishers: tuple[str, ...]) -> str:
    return f"; publishers {', '.join(publishers)} with theirs" if publishers else ""


def _published(plan: Plan, giver: Side) -> str:
    return f"; until {publisher_of(plan.domain, giver)} has given all to the broker, too" if plan.outbox else ""


def _sequences(plan: Plan, taker: Side) -> list[str]:
    return [pair.service if taker is Side.SERVICE else pair.monolith for pair in plan.sequences]
