"""Whom the service talks to, as its environment says; read once when it starts."""

from __future__ import annotations

from dataclasses import dataclass

from extracted.notifications import carrier, mail
from extracted.notifications.contacts import Contacts
from extracted.notifications.mail import MailServer
from extracted.notifications.messages import Messages
from extracted.platform.settings import setting


@dataclass(frozen=True)
class Configuration:
    """Without a mail server or a carrier, what would go there is suppressed."""

    contacts: Contacts
    mail: MailServer | None
    messages: Messages | None

    @classmethod
    def from_environment(cls) -> Configuration:
        return cls(Contacts(setting("FIG_INTERNAL_URL")), mail.from_environment(), carrier.from_environment())

    def close(self) -> None:
        self.contacts.close()
        if self.messages:
            self.messages.close()
