"""Who carries text messages, as the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from legacy_monolith.users.messages import Messages

TWILIO_SETTINGS = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM")


def from_settings(settings: Mapping[str, Any]) -> Messages | None:
    """None without settings: a shop that sends no messages."""
    if not settings["TWILIO_ACCOUNT_SID"]:
        return None
    # A large library: only who sends messages waits for it.
    from legacy_monolith.users.twilio_messages import TwilioMessages

    account, token, sender = (settings[name] for name in TWILIO_SETTINGS)
    return TwilioMessages(account, token, sender, settings["TWILIO_BASE_URL"])
