"""Whatever can be refused is refused here, all reasons at once, before anyone waits; nothing is changed.

`inspect` reads facts from both databases, `judge` decides on them alone, `preflight` is both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg

from cdc.pooled import speaks_of_parameters
from migration_plan.configuration.plan import Plan
from migration_plan.errors import PooledDsn, Refusal, SideUnreachable
from migration_plan.lifecycle import Act, Side
from migration_plan.preflight import activity, border, moment, server, tables, writers
from migration_plan.preflight.facts import SideFacts, SwitchFacts
from migration_plan.preflight.read import look, read_side

__all__ = ["Inspection", "SwitchFacts", "ask_lens", "inspect", "judge", "judge_databases", "notes", "preflight"]

Looks = Mapping[Side, AbstractContextManager[psycopg.Connection[Any]]]
"""For each side a read-only transaction, not yet begun."""


@dataclass(frozen=True)
class Inspection:
    """Both sides' facts, and what the lens says to both schemas."""

    monolith: SideFacts
    service: SideFacts
    lens_problems: tuple[str, ...] = ()

    @property
    def sides(self) -> tuple[SideFacts, SideFacts]:
        return self.monolith, self.service


def preflight(
    plan: Plan, act: Act, switch: SwitchFacts | None = None, slots: Mapping[Side, Sequence[str]] | None = None
) -> list[Refusal]:
    """All reasons against `act` now; `switch` is needed for a change of owner. An empty list: go on."""
    return judge(plan, act, inspect(plan, slots), switch)


def inspect(plan: Plan, slots: Mapping[Side, Sequence[str]] | None = None, looks: Looks | None = None) -> Inspection:
    """Read both databases. One that does not answer is a fact, not an error. `slots`: of the publishers that come;
    `looks`: at each side by a session that is there already."""
    with ExitStack() as stack:
        connections: dict[Side, psycopg.Connection[Any]] = {}
        found: dict[Side, SideFacts] = {}
        for side in Side:
            try:
                connections[side] = stack.enter_context(looks[side] if looks else look(plan.sides[side].dsn))
                found[side] = read_side(connections[side], plan, side, (slots or {}).get(side, ()))
            except psycopg.OperationalError as error:
                said = str(error).strip().splitlines()[0]
                found[side] = SideFacts(side, unreachable=said, pooled=speaks_of_parameters(said))
            except SideUnreachable as error:
                found[side] = SideFacts(side, unreachable=error.reason)
            except PooledDsn as error:
                found[side] = SideFacts(side, unreachable=error.message, pooled=True)
        problems: tuple[str, ...] = ()
        if not any(facts.unreachable or facts.missing for facts in found.values()):
            problems = ask_lens(plan, connections[Side.MONOLITH], connections[Side.SERVICE])
        return Inspection(found[Side.MONOLITH], found[Side.SERVICE], problems)


def ask_lens(plan: Plan, monolith: psycopg.Connection[Any], service: psycopg.Connection[Any]) -> tuple[str, ...]:
    """What the live schemas have against the lens."""
    try:
        return tuple(str(problem) for problem in plan.lens.check(monolith, service))
    except psycopg.errors.InsufficientPrivilege as error:
        return (f"the schemas cannot be compared with the lens: {error.diag.message_primary}",)


def judge(plan: Plan, act: Act, inspection: Inspection, switch: SwitchFacts | None = None) -> list[Refusal]:
    """The decision, from facts alone."""
    refusals = judge_databases(plan, act, inspection)
    if act is Act.SWITCH:
        if switch is None:
            raise ValueError("a switch is judged with its SwitchFacts")
        refusals += moment.check_moment(switch, plan)
    return refusals


def judge_databases(plan: Plan, act: Act, inspection: Inspection) -> list[Refusal]:
    """What both databases have against it: safety, which nobody may force."""
    refusals: list[Refusal] = []
    for side in inspection.sides:
        refusals += server.check_direct(side)
        if side.pooled and side.unreachable:
            continue
        if side.unreachable:
            refusals.append(
                Refusal(
                    "side-unreachable",
                    f"the database of the {side.side} side does not answer: {side.unreachable}",
                    f"correct sides.{side.side}.dsn of the plan, or start the server (fig status)",
                )
            )
            continue
        refusals += server.check_server(side)
        refusals += server.check_role(side)
        refusals += tables.check_tables(side, plan.domain)
        refusals += tables.check_outbox(side, plan)
        refusals += tables.check_leftovers(side, plan.domain)
        refusals += border.check_foreign_keys(side, plan)
        refusals += border.check_triggers(side, plan)
        refusals += writers.check_writers(side, plan)
        refusals += border.check_sequences(side, plan)
        refusals += activity.check_transactions(side, act)
        refusals += activity.check_maintenance(side)
    refusals += server.check_distinct(*inspection.sides)
    refusals += border.check_names(inspection.sides, plan, act)
    refusals += writers.check_known(inspection.sides, plan)
    refusals += [
        Refusal("lens", problem, "correct the plan's tables, or the schema that they describe")
        for problem in inspection.lens_problems
    ]
    return refusals


def notes(inspection: Inspection, plan: Plan) -> list[str]:
    """Information for a person: who may write the tables, who does now, which views read them."""
    return [note for side in inspection.sides for note in (*activity.notes(side), *writers.notes(side, plan))]
