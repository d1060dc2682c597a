"""Who is at work on the domain's tables at this moment, and would make a fence wait?"""

from __future__ import annotations

from collections.abc import Iterator

from migration_plan.errors import Refusal
from migration_plan.lifecycle import Act
from migration_plan.preflight.facts import SideFacts

LONG = 1.0  # Seconds; a transaction that is older would make writers wait for it.


def check_transactions(side: SideFacts, act: Act) -> Iterator[Refusal]:
    """Long transactions and prepared ones with locks on the tables; for a new slot, any prepared one."""
    for session in side.sessions:
        if session.prepared:
            yield Refusal(
                "prepared-transaction",
                f"on the {side.side} side {session}",
                f"COMMIT PREPARED '{session.prepared}' or ROLLBACK PREPARED '{session.prepared}'",
            )
        elif session.fences_out and session.transaction_seconds > LONG:
            yield Refusal(
                "long-transaction",
                f"on the {side.side} side {session}",
                "wait until it ends, or end that session",
            )
    here = {session.prepared for session in side.sessions if session.prepared}
    if act is Act.START_SYNC and not side.own_slots:
        for prepared in side.prepared_elsewhere:
            if not any(prepared.startswith(f"'{name}' in ") for name in here):
                yield Refusal(
                    "prepared-transaction",
                    f"the {side.side} side's server creates no slot while there is transaction {prepared}",
                    "COMMIT PREPARED or ROLLBACK PREPARED it in its database",
                )


def check_maintenance(side: SideFacts) -> Iterator[Refusal]:
    """Commands that hold a lock against the fence and, unlike an ordinary autovacuum, do not yield."""
    for work in side.maintenance:
        yield Refusal(
            "maintenance",
            f"pid {work.pid} runs {work.command} ({work.phase}) on {work.table} on the {side.side} side",
            "wait until it has ended",
        )


def notes(side: SideFacts) -> Iterator[str]:
    """What a person should know and nobody can decide: writers, views, how our transactions are told from others."""
    if side.role is not None and side.role.denied_functions:
        yield (
            f'{side.side}: role "{side.role.name}" may not use replication origins: what is applied there is signed'
            " by a message, which no other reader of its log knows"
        )
    for writer in side.writers:
        power = ", whose role could also take the fence away" if writer.owner else ""
        yield (
            f"{side.side}: {writer.sessions} session(s) of {writer.application or 'no application_name'}"
            f" as {writer.user} may write the domain's tables{power}"
        )
    for session in side.sessions:
        if session.writes:
            yield f"{side.side}: writing now: {session}"
    for view in side.views:
        yield f"{side.side}: view {view} reads the domain's tables"
