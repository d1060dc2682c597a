"""How much of its source's WAL a slot may keep, and for how long a stream that kept too much stays away. No IO."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GIB = 1024**3
NEARLY = 0.8
"""Of max_slot_wal_keep_size: what we give up ourselves comes back; what the server takes is found out later."""
CALM = 0.5
"""Of the limit: below it a stream counts as one that keeps up."""


@dataclass(frozen=True)
class Budget:
    """What a source's disk may be used for. Bytes and seconds."""

    bytes: int = 4 * GIB
    pause: float = 60.0
    """Before the first return; doubles with each time that it gives up again without a steady time in between."""
    longest_pause: float = 3600.0

    def pause_after(self, times: int) -> float:
        """Seconds without slot, after having given up `times` times in a row."""
        return float(min(self.pause * 2 ** min(max(0, times - 1), 30), self.longest_pause))

    @property
    def steady_after(self) -> float:
        """Seconds of keeping up that end a row of giving up: longer than what it took to fail before."""
        return 2 * self.pause


@dataclass(frozen=True)
class SlotFigures:
    """One slot as its server sees it. Bytes; None: there is no such slot, or nothing to measure."""

    exists: bool
    active: bool = False
    wal_status: str = ""
    retained: int | None = None
    """From restart_lsn to the end of the WAL: what it keeps from being removed."""
    unconfirmed: int | None = None
    safe: int | None = None
    """What may still be written before the server invalidates the slot; None: there is no bound."""
    keep_size: int | None = None
    """max_slot_wal_keep_size; None: unlimited."""
    free_disk: int | None = None
    """Of the disk under the WAL, where it can be seen from here."""


class Verdict(StrEnum):
    CALM = "calm"
    GROWING = "growing"
    OVER = "over"


def limit(budget: Budget, slot: SlotFigures) -> int:
    """The bound that holds now: the budget, less where the server or its disk has less."""
    bounds = [budget.bytes]
    if slot.keep_size is not None:
        bounds.append(int(slot.keep_size * NEARLY))
    if slot.free_disk is not None:
        # Half of what would be free if nothing were kept: the other half is the monolith's.
        bounds.append((slot.free_disk + (slot.retained or 0)) // 2)
    return min(bounds)


def judge(budget: Budget, slot: SlotFigures) -> Verdict:
    """Whether the slot may stay."""
    if not slot.exists:
        return Verdict.CALM
    if slot.wal_status in ("unreserved", "lost"):
        return Verdict.OVER
    kept, most = slot.retained or 0, limit(budget, slot)
    if kept > most:
        return Verdict.OVER
    return Verdict.GROWING if kept > most * CALM else Verdict.CALM
