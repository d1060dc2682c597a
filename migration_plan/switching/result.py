"""What a switch came to, for whoever asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from migration_plan.lifecycle import Side


@dataclass(frozen=True)
class SwitchResult:
    """What a switch did, for reports. Times in milliseconds."""

    domain: str
    giver: Side
    taker: Side
    epoch: int
    switch: UUID
    attempts: int
    held: int
    hold_ms: float
    drain_ms: float
    silent_proxies: list[str]

    def as_json(self) -> dict[str, object]:
        return {
            "domain": self.domain, "from": self.giver, "to": self.taker, "epoch": self.epoch,
            "switch": str(self.switch), "attempts": self.attempts, "held": self.held,
            "hold_ms": round(self.hold_ms, 2), "drain_ms": round(self.drain_ms, 2),
            "silent_proxies": self.silent_proxies,
        }  # fmt: skip
