"""I1 and I5: who owned the domain when, from each side's own WAL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.history.findings import Findings
from tests.support.history.records import Acceptance, History, Turn


@dataclass(frozen=True)
class Reign:
    """The time in which one side was the owner; `until` is infinite for the last one."""

    side: str
    epoch: int
    since: float
    until: float


def only_the_owner_accepts(history: History, findings: Findings) -> None:
    """I1 by commit order: after a side's fence nothing of its own commits until it is the owner again."""
    for side in sorted({turn.side for turn in history.turns}):
        last: Turn | None = None
        for event in _in_commit_order(history, side):
            if isinstance(event, Turn):
                last = event
            elif last is not None:
                findings.expect(
                    "I1",
                    last.state == "owner",
                    f"{side} accepted a write to {', '.join(event.tables)} at {event.at:.6f}",
                    f"it was {last.state} at epoch {last.epoch} since {last.at:.6f}",
                )


def owners_never_overlap(history: History, findings: Findings) -> None:
    """I1 by the clock and by epoch: reigns of different sides are disjoint, and an epoch has one owner."""
    reigns = sorted(_reigns(history), key=lambda reign: (reign.since, reign.epoch))
    for i, one in enumerate(reigns):
        for other in reigns[i + 1 :]:
            if one.side == other.side:
                continue
            findings.expect(
                "I1",
                one.until <= other.since or other.until <= one.since,
                f"{one.side} (epoch {one.epoch}) and {other.side} (epoch {other.epoch}) owned together",
                f"{one.since:.6f}..{one.until:.6f} and {other.since:.6f}..{other.until:.6f}",
            )
            findings.expect(
                "I1",
                one.epoch != other.epoch,
                f"epoch {one.epoch} had two owners",
                f"{one.side} since {one.since:.6f}, {other.side} since {other.since:.6f}",
            )


def one_owner_at_rest(history: History, findings: Findings) -> None:
    """I5: in the end one row says owner, and no side is ahead of it."""
    if not history.sides:
        return
    rows = ", ".join(f"{side.name} is {side.state} at epoch {side.epoch}" for side in history.sides)
    owners = [side for side in history.sides if side.state == "owner"]
    findings.expect("I5", len(owners) == 1, f"{len(owners)} owners at rest", rows)
    for owner in owners:
        newest = max(side.epoch for side in history.sides)
        findings.expect("I5", owner.epoch == newest, f"the owner {owner.name} is behind", rows)


def _in_commit_order(history: History, side: str) -> list[Turn | Acceptance]:
    events: list[Turn | Acceptance] = [turn for turn in history.turns if turn.side == side]
    events += [acceptance for acceptance in history.acceptances if acceptance.side == side]
    return sorted(events, key=lambda event: event.position)


def _reigns(history: History) -> Iterator[Reign]:
    for side in {turn.side for turn in history.turns}:
        since: Turn | None = None
        for turn in sorted((t for t in history.turns if t.side == side), key=lambda t: t.position):
            if since is not None:
                yield Reign(side, since.epoch, since.at, turn.at)
            since = turn if turn.state == "owner" else None
        if since is not None:
            yield Reign(side, since.epoch, since.at, float("inf"))
