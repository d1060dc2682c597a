"""What has to hold before a domain leaves its stage: all gates, met or not, with figure, limit and next command.

`fig status`, `fig plan show`, `fig advance` and its dry run show the same values.
"""

from __future__ import annotations

from migration_plan.gate import Gate
from migration_plan.lifecycle import OWNER, TRANSITIONS, Act, Side, Stage, reachable
from migration_plan.moving.steps import Move
from migration_plan.parts import Parts
from migration_plan.preflight import Inspection, inspect, judge_databases, moment
from migration_plan.retiring import retirement
from migration_plan.sync import outboxes
from migration_plan.sync.preparation import switch_facts

__all__ = ["Gate", "gates_of", "gates_to_leave"]


def gates_to_leave(parts: Parts, stage: Stage) -> tuple[Gate, ...]:
    """Every gate of the plan's way forward from `stage`; none where there is no way on. Measures, changes nothing
    but a probe that it sends through both streams."""
    following = reachable(parts.plan.stages, stage, forward=True)
    if not following:
        return ()
    act = TRANSITIONS[stage, following[0]]
    if act is Act.START_SYNC:
        return (_preflight(parts, act, inspect(parts.plan, outboxes.coming_slots(parts))),)
    if act is Act.RETIRE:
        return retirement.gates(parts)
    own = parts.work[stage].gates(parts) if stage in parts.work else ()
    if stage is not Stage.SYNC and act is not Act.SWITCH:
        return own
    return (*own, *_of_switch(parts, OWNER[stage]))


def gates_of(parts: Parts, move: Move) -> tuple[Gate, ...]:
    """Those of one move: forward all of the stage, back only what a change of owner needs."""
    if move.after.place > move.now.place:
        return gates_to_leave(parts, move.now)
    return _of_switch(parts, OWNER[move.now]) if move.act is Act.SWITCH else ()


def _of_switch(parts: Parts, giver: Side) -> tuple[Gate, ...]:
    facts = switch_facts(parts, giver)
    looks = {side: database.looking() for side, database in parts.sides.items()}
    return (_preflight(parts, Act.SWITCH, inspect(parts.plan, looks=looks)), *moment.gates(facts, parts.plan))


def _preflight(parts: Parts, act: Act, inspection: Inspection) -> Gate:
    """All that preflight has against the act, as one gate: safety, so nobody forces it."""
    refusals = judge_databases(parts.plan, act, inspection)
    figure = f"{len(refusals)} reason(s) against it" if refusals else "nothing against it"
    return Gate("preflight", not refusals, figure, "nothing against it", f"fig plan check {parts.domain}", False,
                tuple(refusals))  # fmt: skip
