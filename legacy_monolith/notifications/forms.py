"""What people send."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from legacy_monolith.validation import Input, QueryLimit


class MessageQuery(Input):
    limit: QueryLimit = 20
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None


class Choices(Input):
    """What is not named stays as it is."""

    def chosen(self) -> dict[str, bool]:
        return {topic: getattr(self, topic) for topic in self.model_fields_set}


class MailChoices(Choices):
    orders: bool = Field(default=None)  # type: ignore[assignment]
    sales: bool = Field(default=None)  # type: ignore[assignment]
    account: bool = Field(default=None)  # type: ignore[assignment]


class PhoneChoices(Choices):
    orders: bool = Field(default=None)  # type: ignore[assignment]
    sales: bool = Field(default=None)  # type: ignore[assignment]


class Preferences(Input):
    email: MailChoices = Field(default_factory=MailChoices)
    sms: PhoneChoices = Field(default_factory=PhoneChoices)

    def chosen(self) -> dict[tuple[str, str], bool]:
        parts: dict[str, Choices] = {"email": self.email, "sms": self.sms}
        return {(channel, topic): value for channel, part in parts.items() for topic, value in part.chosen().items()}
