"""A person says which side goes on with a domain after a restore, when the rows cannot: `fig resume --owner`.

Died anywhere, the same command is repeated: the rows are for a person still until the adoption itself. After it that
side owns, and the controller brings the rest, should nobody repeat it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from migration_plan.errors import FigError, SideUnreachable, TablesBusy
from migration_plan.exit_codes import Exit
from migration_plan.journal.half_done import ADOPTION, last_begun
from migration_plan.lifecycle import Row, Side
from migration_plan.parts import Parts, no_checkpoint
from migration_plan.recovering.diagnosis import known_owner, read_and_decide, stage_of
from migration_plan.recovering.recovery import FOR_A_PERSON, Case, Decision
from proxy.errors import ProxyUnreachable

CHECKPOINTS = ("announced", "other-fenced", "adopted", "routed")


class NothingToAdopt(FigError):
    """The rows themselves say who owns; nobody has to."""

    code = "nothing-to-adopt"
    exit_code = Exit.REFUSED


def adopt(
    parts: Parts, side: Side, say: Callable[[str], None], checkpoint: Callable[[str], None] = no_checkpoint
) -> Row:
    """Make `side` the owner under an epoch higher than any that is known. Under the domain's lease.

    The journal is needed: without it nobody knows the highest epoch. So are both databases: the other one could own.
    """
    decision, rows, _intent = read_and_decide(parts)
    if decision.case not in FOR_A_PERSON:
        return _adopted_before(parts, rows[side], decision)
    here, there = rows[side], rows[side.other]
    for one, row in ((side, here), (side.other, there)):
        if row is None:
            raise SideUnreachable(one, "it cannot be read, and might own")
    assert here is not None and there is not None  # noqa: S101, PT018 - just looked at.
    epoch = _beyond(parts, here, there)
    were = {one: str(row) for one, row in rows.items()}
    parts.journal.record(parts.domain, ADOPTION.begun, epoch, owner=side, case=decision.case, rows=were)
    checkpoint("announced")
    lock = parts.plan.limits.fence_lock
    # First the other one: two who adopt different sides, from what they read before, both find a row moved.
    say(f"{side.other}: {there} -> standby at epoch {epoch}")
    _patiently(parts, lambda: parts.sides[side.other].give_way(parts.domain, there, epoch, lock))
    checkpoint("other-fenced")
    tops = _tops(parts, side)
    say(f"{side}: {here} -> owner at epoch {epoch}")
    owner = _patiently(parts, lambda: parts.sides[side].adopt(parts.domain, here, epoch, tops, lock))
    checkpoint("adopted")
    finish(parts, owner, checkpoint)
    return owner


def finish(parts: Parts, owner: Row, checkpoint: Callable[[str], None] = no_checkpoint) -> None:
    """What follows the adoption: the proxies, the journal. May be repeated, by anyone."""
    parts.route(owner.epoch, owner.side)
    checkpoint("routed")
    # The stage before the line that ends it: whoever dies in between leaves it to be ended.
    parts.journal.set_stage(parts.domain, stage_of(parts, owner.side), owner.epoch)
    parts.journal.record(parts.domain, ADOPTION.ended, owner.epoch, owner=owner.side)


def is_unfinished(parts: Parts, owner: Row) -> bool:
    """Whether this side owns by an adoption whose rest nobody has brought yet."""
    begun = last_begun(parts.journal, parts.domain, ADOPTION)
    return begun is not None and begun.epoch == owner.epoch


def _adopted_before(parts: Parts, here: Row | None, decision: Decision) -> Row:
    """The same command once more, after a death: what it was about holds, or only the rest of it is missing."""
    asked = parts.journal.last(parts.domain, ADOPTION.begun)
    owns = here is not None and here.state == "owner" and decision.case in (Case.REST, Case.FINISH_ROUTE)
    if here is None or not owns or asked is None or asked.epoch != here.epoch:
        raise NothingToAdopt(
            f'domain "{parts.domain}": {decision.case}: {decision.reason}', f"fig resume {parts.domain}"
        )
    if is_unfinished(parts, here):
        finish(parts, here)
    return here


def _beyond(parts: Parts, *rows: Row) -> int:
    """An epoch that nobody has seen: rows, journal and proxies may each remember another one."""
    known = known_owner(parts.journal, parts.domain)
    seen = [row.epoch for row in rows] + [known.epoch if known else 0, parts.journal.last_epoch(parts.domain)]
    for proxy in parts.proxies:
        try:
            route = proxy.routes().get(parts.domain)
        except ProxyUnreachable:
            continue  # It takes the epoch over when it is back; what it remembers is also in the journal.
        seen.append(0 if route is None else route.epoch)
    return max(seen) + 1


def _tops(parts: Parts, side: Side) -> Mapping[str, int]:
    """For each sequence of this side, the highest number that the other one knows of."""
    pairs = parts.sequences_from(side.other)
    tops = parts.sides[side.other].sequence_tops([there for there, _here in pairs])
    return {here: top for (_there, here), top in zip(pairs, tops, strict=True)}


def _patiently(parts: Parts, move: Callable[[], Row]) -> Row:
    """Repeat while the tables are busy: nobody owns meanwhile."""
    deadline = time.monotonic() + parts.plan.limits.patience
    while True:
        try:
            return move()
        except TablesBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(parts.plan.limits.fence_lock)
