"""What notifications refuses, what is no event to it, and the one table that says which HTTP status each refusal is."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from extracted.platform.problems import NotFound, Refusal


class MessageNotFound(NotFound):
    def __init__(self, message_id: UUID) -> None:
        super().__init__(f"There is no message {message_id}.")


class EventSaysTooLittle(Exception):
    """Reading it again would find the same: after its attempts it is a dead letter, for a person to look at."""


REFUSALS: Mapping[type[Refusal], int] = {
    MessageNotFound: 404,
}
