"""What one domain tells the others: an event, whose id comes from what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from legacy_monolith import trace

NAMESPACE = uuid5(NAMESPACE_URL, "shop:events")


class UnreadableEvent(Exception):
    """It is no event, or says too little for its type; reading it again would find the same."""


@dataclass(frozen=True)
class Event:
    """The same fact has the same id, whoever tells it and however often."""

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


def identity(domain: str, entity: int, kind: str, *more: object) -> UUID:
    """`more` tells apart what may happen to one entity several times."""
    return uuid5(NAMESPACE, ":".join([domain, str(entity), kind, *map(str, more)]))


def read(document: Mapping[str, Any]) -> Event:
    try:
        moment = datetime.fromisoformat(document["occurred_at"])
        given = document.get(trace.HEADER)
        traceparent = given if isinstance(given, str) else ""
        event = Event(UUID(document["id"]), document["type"], document["data"], moment, traceparent)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableEvent(f"this is no event ({type(error).__name__})") from None
    if not (isinstance(event.type, str) and isinstance(event.data, dict) and moment.tzinfo):
        raise UnreadableEvent("type, data or occurred_at is not as it should be")
    return event
