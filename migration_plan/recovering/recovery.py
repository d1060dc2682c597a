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
    STALE_OWNER = "stale-owner"  # The only one that says owner gave the domain away since: fence it, alarm.
    OWNER_RESTORED = "owner-restored"  # The owner came back from the past, without its last writes: a person says.
    NOBODY = "nobody"  # No row claims the domain: a restored database; never guessed.
    UNKNOWN = "unknown"  # A side that might decide cannot be read: wait.


FOR_A_PERSON = frozenset({Case.STALE_OWNER, Case.OWNER_RESTORED, Case.NOBODY})
"""Which side goes on with the domain has to be said: `fig resume DOMAIN --owner SIDE --reason …`."""


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


@dataclass(frozen=True)
class Known:
    """Who owned a domain, at an epoch, by another witness than the owner's own row. Never ahead of the rows."""

    owner: Side
    epoch: int


def decide(
    rows: Mapping[Side, Row | None], intent: Intent | None = None, known: Known | None = None
) -> Decision:  # fmt: skip
    """Apply the table to both rows (None: cannot be read), the journal's open intent, and what it knows of the owner.

    `intent` and `known` have to be older than the rows, or what was moved meanwhile looks like the past.
    """
    claims = [row for row in rows.values() if row is not None and row.state in ("fenced", "released")]
    if claims:
        giver = max(claims, key=lambda row: row.epoch)
        taker = rows[giver.side.other]
        return _outlived(giver, taker, known) or _during(giver, taker)
    owners = [row for row in rows.values() if row is not None and row.state == "owner"]
    if len(owners) == 2:
        lower = min(owners, key=lambda row: (row.epoch, known is not None and row.side is known.owner))
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
    return _past(owners[0], rows[owners[0].side.other], known) or _at_rest(owners[0], intent)


def _outlived(giver: Row, taker: Row | None, known: Known | None) -> Decision | None:
    """Whether the switch that the giver's row tells of is one of long ago: it was given the domain, or has had it,
    since. To end that switch would make an owner without its last writes, or wait for ever for a grant."""
    epochs = [known.epoch] if known else []
    if taker is not None and taker.state == "standby":
        epochs.append(taker.epoch)
    if (taker is not None and taker.state == "owner") or max(epochs, default=0) < giver.epoch:
        return None
    reason = f"{giver.side} is {giver}, but the domain was owned at epoch {max(epochs)} since: it was restored"
    if taker is None:
        return Decision(Case.UNKNOWN, None, 0, f"{reason}; the other side cannot be read")
    return Decision(Case.NOBODY, None, 0, reason)


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


def _past(owner: Row, other: Row | None, known: Known | None) -> Decision | None:
    """Whether the only owner is one of long ago. A side stands by at the epoch at which the other one owned."""
    seen = [known] if known else []
    if other is not None and other.state == "standby":
        seen.append(Known(owner.side, other.epoch))
    last = max(seen, key=lambda one: one.epoch, default=None)
    if last is None or last.epoch <= owner.epoch:
        return None
    case = Case.OWNER_RESTORED if last.owner is owner.side else Case.STALE_OWNER
    reason = f"{owner.side} says owner at epoch {owner.epoch}, but {last.owner} owned at epoch {last.epoch}"
    return Decision(case, owner.side, owner.epoch, f"{reason}: the {owner.side} side was restored, or lost its writes")


def _at_rest(owner: Row, intent: Intent | None) -> Decision:
    """One side owns and none is in between."""
    if intent is None:
        return Decision(Case.REST, owner.side, owner.epoch, f"{owner.side} owns at epoch {owner.epoch}")
    if owner.side is intent.giver and owner.epoch == intent.epoch:
        return Decision(Case.NOTHING_HAPPENED, owner.side, owner.epoch, "an intent is open and nothing came of it")
    # The rows went on, only the journal's last line is missing.
    return Decision(Case.FINISH_ROUTE, owner.side.other, owner.epoch, f"{owner.side} owns at epoch {owner.epoch}")
