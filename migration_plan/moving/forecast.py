"""What a rollback will cost its users, said before it is begun: nothing, a bounded hold, or a refusal with the reason.

`forecast` decides from figures alone; `measure` takes them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from cdc.position import parse_lsn
from migration_plan.lifecycle import Act, Side
from migration_plan.moving.judgement import Judgement
from migration_plan.moving.steps import Move
from migration_plan.parts import Parts
from migration_plan.sync import status as sync_status

INSTANT = 0.25
"""Seconds of hold that nobody notices."""
FENCE = 0.05
"""Seconds that a switch holds writes even when nothing is on its way: hold, fence, release, grant, route."""
LOOK_APART = 0.5
"""Seconds between the two looks that rates are taken from."""


class Cost(StrEnum):
    """How a rollback will feel."""

    INSTANT = "instant"  # Nothing is on its way.
    BOUNDED_HOLD = "bounded-hold"  # Writes wait until what is on its way has come, within the plan's bound.
    REFUSED = "refused"  # Something would be lost, or nobody knows; nothing is begun.


@dataclass(frozen=True)
class Backlog:
    """What the owner has written and the other side has not applied. Bytes of WAL, and bytes per second."""

    behind: int | None
    """None: not known, the stream does not run."""
    applied_per_second: float
    written_per_second: float

    def seconds(self) -> float | None:
        """Until it is worked off, when nothing new is written, as in a hold; None: never at this rate."""
        if self.behind is None:
            return None
        if self.behind == 0:
            return 0.0
        return self.behind / self.applied_per_second if self.applied_per_second > 0 else None

    def seconds_until_within(self, bound: float) -> float | None:
        """Until a hold of `bound` seconds would be enough, with people writing on; None: never at these rates."""
        gain = self.applied_per_second - self.written_per_second
        if self.behind is None or gain <= 0:
            return None
        return max(0.0, (self.behind - bound * self.applied_per_second) / gain)


@dataclass(frozen=True)
class Forecast:
    """The answer. `seconds`: how long writes will wait; None where it is refused."""

    cost: Cost
    seconds: float | None
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.cost:
            case Cost.INSTANT:
                return f"instant: writes wait for about {self.seconds:.2f} s, and nothing is lost"
            case Cost.BOUNDED_HOLD:
                return f"a hold: writes wait for about {self.seconds:.1f} s, and nothing is lost"
            case Cost.REFUSED:
                return "refused: " + "; ".join(self.reasons)

    def as_json(self) -> dict[str, object]:
        return {"cost": self.cost, "seconds": self.seconds, "reasons": list(self.reasons)}


def forecast(judgement: Judgement, lag: float | None, backlog: Backlog, drain: float) -> Forecast:
    """From the gates, the seconds a probe has just taken to the other side, the backlog, and the plan's bound."""
    reasons = [reason.message for reason in judgement.refusals]
    needed = _needed(lag, backlog)
    if needed is None:
        reasons.append("nobody knows how long it would take: the stream back applies nothing")
    elif needed > drain:
        reasons.append(_too_far(needed, backlog, drain))
    if reasons or needed is None:
        return Forecast(Cost.REFUSED, None, tuple(dict.fromkeys(reasons)))
    hold = needed + FENCE
    return Forecast(Cost.INSTANT if hold <= INSTANT else Cost.BOUNDED_HOLD, round(hold, 3))


def _needed(lag: float | None, backlog: Backlog) -> float | None:
    """A probe that came through has waited behind all that was on its way, so it counts first."""
    return backlog.seconds() if lag is None else lag


def _too_far(needed: float, backlog: Backlog, drain: float) -> str:
    said = f"the stream back needs {needed:.1f} s and the plan lets writes wait for {drain:g} s"
    left = backlog.seconds_until_within(drain)
    return said + ("; at these rates it never gets there" if left is None else f"; in about {left:.0f} s it would do")


def forecast_of(parts: Parts, move: Move, judgement: Judgement) -> Forecast | None:
    """What a rollback of the service will cost; None for every other move. Rates are looked at only where a probe
    says too little: a rollback may be in a hurry."""
    if move.act is not Act.SWITCH or move.owner is None or move.owner.side is not Side.SERVICE:
        return None
    drain = parts.plan.limits.drain
    lag = next((gate.value for gate in judgement.gates if gate.name == "lag"), None)
    hurried = lag is not None and lag <= drain
    backlog = Backlog(None, 0.0, 0.0) if hurried else measure(parts, move.owner.side)
    return forecast(judgement, lag, backlog, drain)


def measure(parts: Parts, giver: Side) -> Backlog:
    """Two looks at the stream from `giver`, half a second apart; they change nothing."""
    before, then = _look(parts, giver), time.monotonic()
    time.sleep(LOOK_APART)
    after, apart = _look(parts, giver), time.monotonic() - then
    if before is None or after is None:
        return Backlog(None, 0.0, 0.0)
    return Backlog(max(0, after[0] - after[1]), (after[1] - before[1]) / apart, (after[0] - before[0]) / apart)


def _look(parts: Parts, giver: Side) -> tuple[int, int] | None:
    """The end of the source's WAL, and what the target has of it."""
    for line in sync_status.status(parts, "").lines:
        if line.direction == f"to_{giver.other}" and line.source_lsn and line.applied_lsn:
            return parse_lsn(line.source_lsn), parse_lsn(line.applied_lsn)
    return None
