"""Who comes next decides from the two rows, never from memory: the recovery table as a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from migration_plan.lifecycle import Row, Side


class Case(StrEnum):
    """The row of the recovery table that applies."""

    REST = "rest"  # One owner, one standby, nothing open.
    NOTHING_HAPPENED = "nothing-happened"  # An intent is open, the giver still owns: void it, release the hold.
    ABORT = "abort"  # Fenced and not released: the giver owns again.
    FINISH_GRANT = "finish-grant"  # Released, not granted: only forward.
    FINISH_ROUTE = "finish-route"  # Granted: route, reverse, journal.
    WAIT_FOR_TAKER = "wait-for-taker"  # Released and the taker cannot be read: nobody can own; the alarm rings.
    TWO_OWNERS = "two-owners"  # A database came back from the past: fence the lower epoch, stop, alarm.
    NOBODY = "nobody"  # No row claims the domain: a restored database; never guessed.
    UNKNOWN = "unknown"  # A side that might decide cannot be read: wait.


@dataclass(frozen=True)
class Decision:
    """What is to be done. `giver` and `epoch` belong to the case; `reason` is for people."""

    case: Case
    giver: Side | None
    epoch: int
    reason: str

    @property
    def settled(self) -> bool:
        return self.case is Case.REST


@dataclass(frozen=True)
class Intent:
    """An open intent of the journal: from which side, at which epoch of the owner."""

    giver: Side
    epoch: int
    switch: UUID | None = None


def decide(rows: Mapping[Side, Row | None], intent: Intent | None = None) -> Decision:
    """Apply the table to both rows (None: cannot be read) and the journal's open intent, if any."""
    claims = [row for row in rows.values() if row is not None and row.state in ("fenced", "released")]
    if claims:
        giver = max(claims, key=lambda row: row.epoch)
        return _during(giver, rows[giver.side.other])
    owners = [row for row in rows.values() if row is not None and row.state == "owner"]
    if len(owners) == 2:
        lower = min(owners, key=lambda row: row.epoch)
        return Decision(
            Case.TWO_OWNERS,
            lower.side,
            lower.epoch,
            f"both sides say owner; {lower.side} has the lower epoch",
        )
    if not owners:
        if None in rows.values():
            return Decision(Case.UNKNOWN, None, 0, "the side that may own cannot be read")
        return Decision(Case.NOBODY, None, 0, "no side claims the domain; a database was restored")
    return _at_rest(owners[0], intent)


def _during(giver: Row, taker: Row | None) -> Decision:
    """A switch is under way: the giver's row is fenced or released."""

    def decision(case: Case, reason: str) -> Decision:
        return Decision(case, giver.side, giver.epoch, reason)

    theirs = "cannot be read" if taker is None else str(taker)
    reason = f"{giver.side} is {giver}, {giver.side.other} {'' if taker is None else 'is '}{theirs}"
    if taker is not None and taker.state == "owner" and (taker.epoch < giver.epoch or giver.state == "fenced"):
        past = min(giver, taker, key=lambda row: row.epoch)  # At the same epoch the giver: it has lost its release.
        return Decision(Case.TWO_OWNERS, past.side, past.epoch, reason)
    if giver.state == "fenced":
        return decision(Case.ABORT, reason)
    if taker is None:
        return decision(Case.WAIT_FOR_TAKER, reason)
    if taker.state == "owner":
        return decision(Case.FINISH_ROUTE, reason)
    return decision(Case.FINISH_GRANT, reason)


def _at_rest(owner: Row, intent: Intent | None) -> Decision:
    """One side owns and none is in between."""
    if intent is None:
        return Decision(Case.REST, owner.side, owner.epoch, f"{owner.side} owns at epoch {owner.epoch}")
    if owner.side is intent.giver and owner.epoch == intent.epoch:
        return Decision(Case.NOTHING_HAPPENED, owner.side, owner.epoch, "an intent is open and nothing came of it")
    # The rows went on, only the journal's last line is missing.
    return Decision(Case.FINISH_ROUTE, owner.side.other, owner.epoch, f"{owner.side} owns at epoch {owner.epoch}")
