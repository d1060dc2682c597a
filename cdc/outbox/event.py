"""A row of an outbox as a message for the broker. Pure."""

from __future__ import annotations

import json
import re

from cdc.outbox.broker import Message
from cdc.outbox.errors import EventUnpublishable
from cdc.outbox.spec import OutboxSpec

LONGEST_KEY = 255
"""Bytes of a routing key, says the protocol."""

TRACE = "traceparent"
_TRACE_FORM = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def message_of(spec: OutboxSpec, event_id: str, kind: str, payload: str) -> Message:
    """A row as a message; EventUnpublishable for one that no consumer could read."""

    def unpublishable(reason: str) -> EventUnpublishable:
        return EventUnpublishable(spec.name, spec.domain, str(spec.table), event_id, reason)

    if not kind or len(kind.encode()) > LONGEST_KEY:
        raise unpublishable(f"its type is empty or longer than {LONGEST_KEY} bytes")
    try:
        event = json.loads(payload)
    except ValueError:
        raise unpublishable("its payload is not JSON") from None
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        raise unpublishable("its payload is not an object with data")
    for name, value in (("id", event_id), ("type", kind)):
        if event.get(name) != value:
            raise unpublishable(f'the "{name}" in its payload is not its {name}')
    return Message(event_id, kind, payload.encode(), _headers(event.get(TRACE)))


def _headers(trace: object) -> dict[str, str] | None:
    """The trace of whoever told it, where consumers of any kind look for it; what is none is no reason to stop."""
    if isinstance(trace, str) and _TRACE_FORM.fullmatch(trace):
        return {TRACE: trace}
    return None
