"""Who and what writes the domain's tables: a plan that explains its writers is held to it, name by name.

The fence refuses a writer that nobody thought of; here it is found before users meet that refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migration_plan.configuration.plan import Plan
from migration_plan.errors import Refusal
from migration_plan.preflight.facts import SideFacts, Writer

_KINDS = {
    "roles": ("writer_roles", "role {} may write the domain's tables"),
    "functions": ("writer_functions", "function {} writes, and names the domain's tables"),
    "views": ("writer_views", "the domain's tables can be written through view {}"),
    "rules": ("writer_rules", "rule {} writes the domain's tables"),
    "policies": ("policies", "row-level security policy {} decides who sees and writes which rows"),
}


def found(side: SideFacts) -> Iterator[tuple[str, str, str]]:
    """Kind as the plan says it, name, and what it does."""
    for kind, (attribute, what) in _KINDS.items():
        for name in getattr(side, attribute):
            yield kind, name, what.format(f'"{name}"')


def check_writers(side: SideFacts, plan: Plan) -> Iterator[Refusal]:
    """Everything that the plan's `writers` does not name; nothing where the plan has no such section."""
    if plan.writers is None:
        return
    for kind, name, what in found(side):
        if name not in getattr(plan.writers, kind):
            yield _unexplained(side, kind, name, what)
    if not plan.writers.applications:
        return
    for writer in side.writers:
        if writer.application not in plan.writers.applications and not _is_known(side, writer):
            name = writer.application or ""
            what = f'{writer.sessions} session(s) of "{name}" as {writer.user} may write the domain\'s tables'
            yield _unexplained(side, "applications", name, what)


def _is_known(side: SideFacts, writer: Writer) -> bool:
    """Our own role, and superusers: these may do everything everywhere, and are named to the person as a note."""
    return writer.superuser or (side.role is not None and writer.user == side.role.name)


def _unexplained(side: SideFacts, kind: str, name: str, what: str) -> Refusal:
    return Refusal(
        "writer-unexplained",
        f"on the {side.side} side {what}, and the plan does not say why",
        f'say in the plan who that is: writers.{kind}: {{"{name}": ...}}, or take the right to write away',
    )


def check_known(sides: Sequence[SideFacts], plan: Plan) -> Iterator[Refusal]:
    """Names that nothing has are typing errors. Roles and applications come and go, and differ between places."""
    if plan.writers is None or any(side.unreachable or side.missing for side in sides):
        return
    there = {(kind, name) for side in sides for kind, name, _ in found(side)}
    for kind in ("functions", "views", "rules", "policies"):
        for name in getattr(plan.writers, kind):
            if (kind, name) not in there:
                yield Refusal(
                    "writer-unknown",
                    f'writers.{kind} names "{name}", but nothing of that name writes the domain\'s tables',
                    "correct the name, or take it out",
                )


def notes(side: SideFacts, plan: Plan) -> Iterator[str]:
    """Every writer for a person, explained or not."""
    for kind, name, what in found(side):
        why = "" if plan.writers is None else getattr(plan.writers, kind).get(name, "")
        yield f"{side.side}: {what}" + (f": {why}" if why else "")
    if plan.writers is None and any(True for _ in found(side)):
        yield f"{side.side}: the plan explains no writers; with a section `writers` it is held to it"
