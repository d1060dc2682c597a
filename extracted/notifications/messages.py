"""Text messages: a small port, and what is known after a sending."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from extracted.platform.errors import SettingMissing

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


def from_environment() -> Messages | None:
    """None without settings: a shop that sends no messages. With half of them, somebody forgot something."""
    settings = {name: os.environ.get(name, "") for name in TWILIO_SETTINGS}
    if not any(settings.values()):
        return None
    for name, value in settings.items():
        if not value:
            raise SettingMissing(name)
    # A large library: only who sends messages waits for it.
    from extracted.notifications.twilio_messages import TwilioMessages

    account, token, sender = settings.values()
    return TwilioMessages(account, token, sender, os.environ.get("TWILIO_BASE_URL", ""))
