"""What follows from an attempt to send. No IO."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from extracted.notifications.messages import Fate

MOST_ATTEMPTS = 5
FIRST_PAUSE = timedelta(seconds=15)


@dataclass(frozen=True)
class Verdict:
    """The status to go on in; with a pause, when to look at it again."""

    status: str
    pause: timedelta | None = None


def judge(fate: Fate, attempts: int, can_be_looked_up: bool) -> Verdict:
    """Only what surely never left is sent again, later each time, and not for ever."""
    match fate:
        case Fate.SENT:
            return Verdict("sent")
        case Fate.REFUSED:
            return Verdict("failed")
        case Fate.IN_DOUBT:
            return Verdict("unknown", timedelta() if can_be_looked_up else None)
        case Fate.FAILED:
            if attempts >= MOST_ATTEMPTS:
                return Verdict("failed")
            return Verdict("queued", pause_after(attempts))


def pause_after(attempts: int) -> timedelta:
    """15 s, 1 min, 4 min, 16 min."""
    return FIRST_PAUSE * 4 ** (max(attempts, 1) - 1)
