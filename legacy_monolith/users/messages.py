"""Text messages: a small port, and what is known after a sending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Fate(StrEnum):
    """What became of a message."""

    SENT = "sent"
    REFUSED = "refused"  # The number cannot be texted.
    FAILED = "failed"  # It surely never left, and not because of the number.
    IN_DOUBT = "in_doubt"


@dataclass(frozen=True)
class Sending:
    fate: Fate
    reference: str | None = None


class Messages(Protocol):
    def send(self, phone: str, text: str) -> Sending:
        """One attempt, which ends in time and does not raise."""

    def sent(self, phone: str, text: str, since: datetime) -> list[str]:
        """References of such messages that were taken on since then; none also if nobody can say."""

    def close(self) -> None: ...
