"""An event as it arrives: a document with an id, a type, a moment and data."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

Event = dict[str, Any]


class Unreadable(Exception):
    """A message that is no event; reading it again would find the same."""


def read(body: bytes | str) -> Event:
    """The document; Unreadable says which part is not as it should be, never its content."""
    try:
        event = json.loads(body)
    except ValueError:
        raise Unreadable("it is not JSON") from None
    if not isinstance(event, dict):
        raise Unreadable("it is not a JSON object")
    if not (isinstance(event.get("type"), str) and event["type"]):
        raise Unreadable('"type" is not a text')
    if not isinstance(event.get("data"), dict):
        raise Unreadable('"data" is not an object')
    try:
        UUID(str(event.get("id")))
    except ValueError:
        raise Unreadable('"id" is not a UUID') from None
    try:
        zone = datetime.fromisoformat(str(event.get("occurred_at"))).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise Unreadable('"occurred_at" is not a moment with its zone')
    return event
