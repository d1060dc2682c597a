"""Which messages an event becomes, for whom, and over which channel. No IO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

from extracted.notifications import wording
from extracted.notifications.errors import EventSaysTooLittle
from extracted.notifications.wording import Topic, Wording
from extracted.platform.event import Event

EMAIL, SMS = "email", "sms"

Choices = Mapping[tuple[str, str], bool]
"""By channel and topic. A message about security needs no choice."""


@dataclass(frozen=True)
class Message:
    """A message as it begins. One entry of a history calls for attention; its companions are read from the start."""

    id: UUID
    user_id: int
    event_id: UUID
    kind: str
    channel: str
    subject: str
    body: str
    is_wanted: bool
    is_companion: bool = False
    recipient: str | None = None


def receiver(event: Event) -> int:
    user_id = event.data.get("user_id")
    if type(user_id) is not int or user_id < 1:
        raise EventSaysTooLittle(f"{event.type} names no user")
    return user_id


def messages(event: Event, choices: Choices) -> list[Message]:
    """Always a mail, which keeps the history whole even if it is not wanted; a text message only if it is."""
    words = wording.of(event)
    if words is None:
        return []
    made = [_message(event, words, EMAIL, words.text, is_wanted=_wants(choices, EMAIL, words.topic))]
    if words.farewell:
        old = event.data["old_email"]
        made.append(_message(event, words, EMAIL, words.farewell, is_companion=True, recipient=old))
    if words.phone and _wants(choices, SMS, words.topic):
        made.append(_message(event, words, SMS, words.phone, is_companion=True))
    return made


def _wants(choices: Choices, channel: str, topic: Topic) -> bool:
    return topic is Topic.SECURITY or choices[channel, topic]


def _message(
    event: Event,
    words: Wording,
    channel: str,
    body: str,
    *,
    is_wanted: bool = True,
    is_companion: bool = False,
    recipient: str | None = None,
) -> Message:
    user_id = receiver(event)
    name = f"{channel}:{user_id}" if recipient is None else f"{channel}:{user_id}:former"
    return Message(
        id=uuid5(event.id, name),
        user_id=user_id,
        event_id=event.id,
        kind=event.type,
        channel=channel,
        subject=words.subject if channel == EMAIL else "",
        body=body,
        is_wanted=is_wanted,
        is_companion=is_companion,
        recipient=recipient,
    )
