"""Events as Stripe sends them, and the signature by which a receiver knows them. No network."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from tests.doubles.stripe.objects import new_id
from tests.doubles.stripe.shapes import Shape

DEFAULT_API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True)
class Cause:
    """The request that made an event; without one the card's owner did something."""

    request_id: str | None = None
    idempotency_key: str | None = None
    api_version: str = DEFAULT_API_VERSION


def event(event_type: str, about: Shape, at: int, cause: Cause) -> dict[str, Any]:
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": cause.api_version,
        "created": at,
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": cause.request_id, "idempotency_key": cause.idempotency_key},
        "type": event_type,
    }


def signature(payload: str, secret: str, at: int) -> str:
    """The Stripe-Signature header for one attempt; each attempt is signed anew, with its own time."""
    signed = hmac.new(secret.encode(), f"{at}.{payload}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"
