"""How somebody can be reached: asked of the owner of users, through the internal listener, when a message goes out."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from extracted.platform import spans, trace

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


class Contacts:
    """One for each process; its connections are kept."""

    def __init__(self, internal_url: str) -> None:
        self._client = httpx.Client(base_url=internal_url, timeout=CALL, trust_env=False)

    def of(self, user_id: int) -> Contact:
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
