"""What one domain tells the others: an event, and the document that it travels as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from extracted.platform import trace


class Unreadable(Exception):
    """It is no event, or says too little for its type; reading it again would find the same."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened. The id comes from what happened, so that the same fact is one event for ever."""

    id: UUID
    type: str
    data: Mapping[str, Any]
    occurred_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    traceparent: str = field(default_factory=trace.onward, compare=False)
    """Of the request that it comes from; empty: it comes from none."""

    def document(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": str(self.id),
            "type": self.type,
            "occurred_at": self.occurred_at.isoformat(),
            "data": dict(self.data),
        }
        return {**told, trace.HEADER: self.traceparent} if self.traceparent else told

    def facts(self) -> dict[str, str]:
        """Of the step that takes it."""
        return {
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "process",
            "messaging.message.id": str(self.id),
        }


def read(body: bytes | str) -> Event:
    """The event in a message's body; Unreadable says which part is not as it should be, never its content."""
    try:
        document = json.loads(body)
    except ValueError:
        raise Unreadable("it is not JSON") from None
    if not isinstance(document, dict):
        raise Unreadable("it is not a JSON object")
    kind, data = document.get("type"), document.get("data")
    if not (isinstance(kind, str) and kind):
        raise Unreadable('"type" is not a text')
    if not isinstance(data, dict):
        raise Unreadable('"data" is not an object')
    given = document.get(trace.HEADER)
    event_id, moment = _id(document.get("id")), _moment(document.get("occurred_at"))
    return Event(event_id, kind, data, moment, given if isinstance(given, str) else "")


def _id(value: object) -> UUID:
    try:
        return UUID(value) if isinstance(value, str) else UUID("")
    except ValueError:
        raise Unreadable('"id" is not a UUID') from None


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Unreadable('"occurred_at" is not a moment with its zone')
    return moment
