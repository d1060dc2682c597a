"""The shapes of the notifications' API: bodies and queries in, documents out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from extracted.notifications.history import Page, Position, Told, moment, position
from extracted.platform.problems import FieldError, InvalidFields
from extracted.platform.validation import ABSENT, Input, QueryLimit, Text

# What clients read for what is kept here.
STATES = {
    "queued": "pending",
    "sending": "sending",
    "sent": "sent",
    "failed": "failed",
    "unknown": "in_doubt",
    "suppressed": "skipped",
}


class MessageQuery(Input):
    limit: QueryLimit = 20
    cursor: Annotated[Text, StringConstraints(min_length=1, max_length=2048)] | None = None

    def after(self) -> Position | None:
        if self.cursor is None:
            return None
        if found := position(self.cursor):
            return found
        raise InvalidFields([FieldError("cursor", "is not a cursor of this list in this order")])


class Choices(Input):
    """What is not named stays as it is."""

    def chosen(self) -> dict[str, bool]:
        return {topic: getattr(self, topic) for topic in self.model_fields_set}


class MailChoices(Choices):
    orders: bool = ABSENT
    sales: bool = ABSENT
    account: bool = ABSENT


class PhoneChoices(Choices):
    orders: bool = ABSENT
    sales: bool = ABSENT


class PreferencesForm(Input):
    email: MailChoices = Field(default_factory=MailChoices)
    sms: PhoneChoices = Field(default_factory=PhoneChoices)

    def chosen(self) -> dict[tuple[str, str], bool]:
        parts: dict[str, Choices] = {"email": self.email, "sms": self.sms}
        return {(channel, topic): value for channel, part in parts.items() for topic, value in part.chosen().items()}


def message_document(told: Told) -> dict[str, Any]:
    return {
        "id": str(told.id),
        "kind": told.kind,
        "channel": told.channel,
        "subject": told.title,
        "text": told.body,
        "state": STATES[told.status],
        "is_read": told.read_at is not None,
        "created_at": moment(told.created_at),
        "sent_at": moment(told.sent_at) if told.sent_at else None,
    }


def page_document(page: Page) -> dict[str, Any]:
    return {"items": [message_document(told) for told in page.items], "next_cursor": page.next_cursor}


def preferences_document(choices: Mapping[tuple[str, str], bool]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for (channel, topic), value in choices.items():
        document.setdefault(channel, {})[topic] = value
    return document
