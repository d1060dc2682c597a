"""What stands still of a domain, and why: the decisions on both sources, in words."""

from __future__ import annotations

from dataclasses import dataclass

from cdc import control
from cdc.control import Control, Phase
from migration_plan.errors import SideUnreachable
from migration_plan.lifecycle import Side
from migration_plan.parts import Parts
from migration_plan.sync import outboxes
from migration_plan.sync.streams import spec


@dataclass(frozen=True)
class Line:
    """One stream or publisher: where its slot is."""

    name: str
    direction: str
    source: Side
    source_dsn: str
    slot: str


def lines(parts: Parts) -> list[Line]:
    """Both streams, then the publishers of the domain's outbox."""
    found = []
    for target in Side:
        stream = spec(parts, target)
        found.append(Line(stream.name, f"to_{target}", target.other, stream.source_dsn, stream.slot))
    for side, publisher in outboxes.of(parts).items():
        found.append(Line(publisher.name, f"outbox_{side}", side, publisher.dsn, publisher.slot))
    return found


def halted(parts: Parts) -> dict[str, str]:
    """Each stream or publisher of the domain that is not meant to run now, and why."""
    found = {}
    for line in lines(parts):
        try:
            with parts.sides[line.source].connection() as connection:
                reason = why_halted(control.read(connection, line.name))
        except SideUnreachable as error:
            reason = error.message
        if reason:
            found[line.name] = reason
    return found


def why_halted(decided: Control) -> str:
    """Empty: it may run."""
    if decided.paused:
        return f"paused by {decided.paused}"
    match decided.phase:
        case Phase.RUNNING:
            return ""
        case Phase.GIVEN_UP:
            return f"without slot, back in {decided.due_in:.0f} s ({decided.code}: {decided.reason})"
        case Phase.COPYING:
            return f"coming back ({decided.progress or 'its slot is being made'})"
        case Phase.WAITING:
            return f"a person has to decide ({decided.code}: {decided.reason})"
