"""The seam to users: how somebody can be reached, asked when a message goes out.

Where users is owned here it is a query, elsewhere a call through the internal listener.
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from flask import Flask, current_app

from legacy_monolith import ownership, spans, trace
from legacy_monolith.database import db
from legacy_monolith.errors import NotFound
from legacy_monolith.users import accounts

# Longer than a domain is held.
CALL = httpx.Timeout(connect=1.0, read=7.0, write=2.0, pool=1.0)


@dataclass(frozen=True)
class Contact:
    name: str
    email: str
    # Only a verified number.
    phone: str | None


class ContactUnknown(Exception):
    """Nobody could say, or there is no such user."""


class RemoteContacts:
    """One for each process; its connections are kept."""

    def __init__(self, internal_url: str) -> None:
        self._internal_url = internal_url
        self._client = httpx.Client(base_url=internal_url, timeout=CALL, trust_env=False)

    def of(self, user_id: int) -> Contact:
        if not self._internal_url:
            raise ContactUnknown("users is owned elsewhere and FIG_INTERNAL_URL is not set")
        path = f"/internal/users/{user_id}/contact"
        try:
            answer = self._ask(path)
        except httpx.TransportError as error:
            raise ContactUnknown(type(error).__name__) from None
        if answer.status_code != 200:
            raise ContactUnknown(f"status {answer.status_code}")
        try:
            document = answer.json()
            return Contact(document["name"], document["email"], document["phone"])
        except (ValueError, KeyError, TypeError):
            raise ContactUnknown("the answer is no contact") from None

    def _ask(self, path: str) -> httpx.Response:
        headers, facts = {"X-Request-Id": "sending"}, {"http.request.method": "GET", "peer.service": "users"}
        with spans.step("GET users", "CLIENT", facts) as step:
            if traceparent := trace.onward():
                headers[trace.HEADER] = traceparent
            answer = self._client.get(path, headers=headers)
            step.answered(answer.status_code)
        return answer

    def close(self) -> None:
        self._client.close()


def of(user_id: int) -> Contact:
    """No transaction is open afterwards, and none while another side is asked."""
    if ownership.is_here("users"):
        try:
            row = accounts.find(user_id)
        except NotFound:
            raise ContactUnknown("there is no such user") from None
        finally:
            db.session.rollback()
        return Contact(row.name, row.email, row.phone)
    db.session.rollback()
    remote: RemoteContacts = current_app.extensions["contacts"]
    return remote.of(user_id)


def init_app(app: Flask) -> None:
    app.extensions["contacts"] = RemoteContacts(app.config["INTERNAL_URL"])
