"""Text messages: a small port, and what is known after a sending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

TWILIO_SETTINGS = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM")


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


def from_settings(settings: Mapping[str, Any]) -> Messages | None:
    """None without settings: a shop that sends no messages."""
    if not settings["TWILIO_ACCOUNT_SID"]:
        return None
    # A large library: only who sends messages waits for it.
    from legacy_monolith.users.twilio_messages import TwilioMessages

    account, token, sender = (settings[name] for name in TWILIO_SETTINGS)
    return TwilioMessages(account, token, sender, settings["TWILIO_BASE_URL"])
