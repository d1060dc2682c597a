"""A plan as a person reads it: routes, tables through the lens, what crosses the border, and who writes."""

from __future__ import annotations

from dataclasses import dataclass

from migration_plan.configuration.plan import Plan
from migration_plan.lifecycle import Side
from migration_plan.preflight import Inspection, inspect, writers


@dataclass(frozen=True)
class PlanView:
    """Lines of text by section."""

    routes: tuple[str, ...]
    tables: tuple[str, ...]
    crossing: tuple[str, ...]
    writers: tuple[str, ...]

    @property
    def sections(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((name, getattr(self, name)) for name in ("routes", "tables", "crossing", "writers"))

    def as_json(self) -> dict[str, object]:
        return {name: list(lines) for name, lines in self.sections}


def view(plan: Plan) -> PlanView:
    """Reads both databases for the writers; one that is away is said so."""
    routes = [f"{route.path} {' '.join(route.methods) or 'all methods'}" for route in plan.routes]
    return PlanView(
        (*routes, *(f"{path} reads the domain's tables" for path in plan.read_by)),
        tuple(f"{side} {table}" for side in Side for table in plan.lens.tables(side)),
        tuple(
            f"{name}: {what}" for name, what in [*plan.crossing.foreign_keys.items(), *plan.crossing.triggers.items()]
        ),
        _writers(plan, inspect(plan)),
    )


def _writers(plan: Plan, inspection: Inspection) -> tuple[str, ...]:
    lines = []
    for side in inspection.sides:
        if side.unreachable:
            lines.append(f"{side.side}: its database does not answer: {side.unreachable}")
        lines += writers.notes(side, plan)
        lines += [
            f"{side.side}: {one.sessions} session(s) of {one.application or 'no application_name'} as {one.user}"
            for one in side.writers
        ]
    return tuple(lines)
