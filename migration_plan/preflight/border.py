"""What crosses the domain's border, or works beside its rows: each must be named in the plan.

The stream writes with `session_replication_role = replica`: foreign keys are not checked, cascades do not run
and ordinary triggers do not fire for rows that it brings. So each needs a decision before rows flow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migration_plan.configuration.plan import Plan
from migration_plan.errors import Refusal
from migration_plan.lifecycle import Act, Side
from migration_plan.preflight.facts import SideFacts


def check_foreign_keys(side: SideFacts, plan: Plan) -> Iterator[Refusal]:
    """Each crossing key is named, and kept only if it never writes rows across the border."""
    for key in side.foreign_keys:
        what = f'foreign key "{key.name}" on the {side.side} side'
        choice = "drop" if key.acts else "keep or drop"
        decision = plan.crossing.foreign_keys.get(key.name)
        if decision is None:
            yield Refusal(
                "foreign-key-unexplained",
                f"{what} crosses the border of the domain ({key})",
                f"name it in the plan: crossing.foreign_keys: {{{key.name}: {choice}}}",
            )
        elif decision == "keep" and key.acts:
            yield Refusal(
                "foreign-key-cascades",
                f"{what} cannot be kept: {' and '.join(key.acts)} would write across the border ({key})",
                f"crossing.foreign_keys: {{{key.name}: drop}}, or make it NO ACTION",
            )


def check_triggers(side: SideFacts, plan: Plan) -> Iterator[Refusal]:
    """Each trigger is named with a reason; one that fires for the stream's rows cannot be explained away."""
    for trigger in side.triggers:
        what = f'trigger "{trigger.name}" ({trigger.function}) of table {trigger.table} on the {side.side} side'
        if trigger.fires in ("A", "R"):
            yield Refusal(
                "trigger-on-apply",
                f"{what} fires for rows that the stream brings, and would change them",
                f'ALTER TABLE {trigger.table.quoted} ENABLE TRIGGER "{trigger.name}"',
            )
        elif not plan.crossing.triggers.get(trigger.name, "").strip():
            yield Refusal(
                "trigger-unexplained",
                f"{what} does not fire for rows that the stream brings",
                f"say in the plan why that is right: crossing.triggers: {{{trigger.name}: ...}}",
            )


def check_sequences(side: SideFacts, plan: Plan) -> Iterator[Refusal]:
    """The plan's sequences can be read and set; no other one feeds the domain's columns."""
    pairs = [pair.monolith if side.side is Side.MONOLITH else pair.service for pair in plan.sequences]
    for sequence in side.sequences:
        what = f"sequence {sequence.name} on the {side.side} side"
        if not sequence.exists:
            yield Refusal("sequence-missing", f"{what} does not exist", "correct the plan's sequences")
        elif not sequence.usable:
            yield Refusal(
                "sequence-unreadable",
                f"our role may not read and set {what}",
                f"GRANT SELECT, UPDATE ON SEQUENCE {sequence.name.quoted} TO the role of fig",
            )
        elif sequence.increment < 1:
            yield Refusal(
                "sequence-descending",
                f"{what} counts downwards; only forward is safe",
                "make it count upwards",
            )
        elif str(sequence.name) not in pairs:
            yield Refusal(
                "sequence-unnamed",
                f"{what} feeds {sequence.used_by}, is not in the plan and would repeat numbers",
                f"sequences: [{{{side.side}: {sequence.name}, {side.side.other}: ...}}]",
            )


def check_names(sides: Sequence[SideFacts], plan: Plan, act: Act) -> Iterator[Refusal]:
    """Names in `crossing` that nothing has are typing errors; a dropped key is away while the domain is."""
    if any(side.unreachable or side.missing for side in sides):
        return
    keys = {key.name for side in sides for key in side.foreign_keys}
    for name, decision in plan.crossing.foreign_keys.items():
        if name not in keys and (decision == "keep" or act is Act.START_SYNC):
            yield Refusal(
                "foreign-key-unknown",
                f'crossing.foreign_keys names "{name}", but no such foreign key crosses the border',
                "correct the name, or take it out",
            )
    triggers = {trigger.name for side in sides for trigger in side.triggers}
    for name in plan.crossing.triggers:
        if name not in triggers:
            yield Refusal(
                "trigger-unknown",
                f'crossing.triggers names "{name}", but no table of the domain has such a one',
                "correct the name, or take it out",
            )
