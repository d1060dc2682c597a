"""Who carries text messages for this service, as its environment says."""

from __future__ import annotations

import os

from extracted.platform.errors import SettingMissing
from extracted.users.messages import Messages

TWILIO_SETTINGS = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM")


def from_environment() -> Messages | None:
    """None without settings: a shop that sends no messages. With half of them, somebody forgot something."""
    settings = {name: os.environ.get(name, "") for name in TWILIO_SETTINGS}
    if not any(settings.values()):
        return None
    for name, value in settings.items():
        if not value:
            raise SettingMissing(name)
    # A large library: only who sends messages waits for it.
    from extracted.users.twilio_messages import TwilioMessages

    account, token, sender = settings.values()
    return TwilioMessages(account, token, sender, os.environ.get("TWILIO_BASE_URL", ""))
