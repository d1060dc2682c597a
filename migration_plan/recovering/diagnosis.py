"""How things stand with a domain: both rows, and what the journal knows, put into the recovery table (`recovery.py`).

Reads only. What is done about it is in `controller.py`.
"""

from __future__ import annotations

from contextlib import suppress

from migration_plan.errors import JournalUnreachable
from migration_plan.journal.journal import Journal
from migration_plan.lifecycle import OWNER, Row, Side, Stage
from migration_plan.parts import Parts, read_rows
from migration_plan.recovering.recovery import Decision, Intent, Known, decide


def open_intent(journal: Journal, domain: str) -> Intent | None:
    """The switch that somebody has begun and nobody has ended."""
    entry = journal.open_intent(domain)
    if entry is None:
        return None
    return Intent(Side(entry.detail["giver"]), int(entry.detail["owner_epoch"]), entry.switch)


def known_owner(journal: Journal, domain: str) -> Known | None:
    """Who owns by the journal, and since which epoch at least; None for a domain that is not being moved."""
    stage, epoch = journal.stage_and_epoch(domain)
    if stage is Stage.MONOLITH:
        return None
    # The stage may be older: a switch that was taken back has raised the epoch, and the next one has written it down.
    last, known = journal.last(domain, "intent"), Known(OWNER[stage], epoch)
    if last is None:
        return known
    return max(known, Known(Side(last.detail["giver"]), int(last.detail["owner_epoch"])), key=lambda one: one.epoch)


def read_and_decide(parts: Parts) -> tuple[Decision, dict[Side, Row | None], Intent | None]:
    """The recovery table, applied to what is the case now. A journal that is away knows nothing."""
    intent, known = None, None
    # Before the rows: what is newer than they are would be taken for something that they have left behind.
    # Without it the rows alone decide whatever was begun; a mere intent can wait for its journal.
    with suppress(JournalUnreachable):
        intent, known = open_intent(parts.journal, parts.domain), known_owner(parts.journal, parts.domain)
    rows = read_rows(parts)
    return decide(rows, intent, known), rows, intent


def stage_of(parts: Parts, owner: Side) -> Stage:
    """The stage that goes with an owner: the known one, or else the first one of the plan past `monolith`."""
    known = parts.journal.stage(parts.domain)
    if known is not Stage.MONOLITH and OWNER[known] is owner:
        return known
    return next(stage for stage in parts.plan.stages[1:] if OWNER[stage] is owner)
