"""Refusals, and the problem documents (RFC 9457) that tell them to a client.

Business code raises a `Refusal`; which HTTP status it becomes stands in one table per service.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from werkzeug.wrappers import Response


class Refusal(Exception):
    """A request that is not granted: `code` for programs, title and message for people, and what to do next.
    What is passed by name becomes members of the problem document."""

    code = "malformed-request"
    title = "The request cannot be read."
    next_step = "Correct the request's syntax."
    retry_after: int | None = None

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.facts = facts


class Malformed(Refusal):
    """The request cannot be read at all."""


class NotAuthenticated(Refusal):
    code = "not-authenticated"
    title = "You are not logged in."
    next_step = "Log in with POST /api/users/login."


class CsrfTokenInvalid(Refusal):
    code = "csrf-token-invalid"
    title = "The CSRF token is missing or wrong."
    next_step = "Fetch one from GET /api/users/csrf and send it as X-CSRF-Token."


class RoleRequired(Refusal):
    code = "role-required"
    title = "Your role does not allow this."
    next_step = "Log in as a user with that role."


class NotFound(Refusal):
    code = "not-found"
    title = "There is no such thing."
    next_step = "Check the address."


class MethodNotAllowed(Refusal):
    code = "method-not-allowed"
    title = "This address does not know that method."
    next_step = "Use one of the methods in the Allow header."


class BodyTooLarge(Refusal):
    code = "body-too-large"
    title = "The body is too large."
    next_step = "Send less."


class UnsupportedMediaType(Refusal):
    code = "unsupported-media-type"
    title = "The body is not JSON."
    next_step = "Send Content-Type: application/json."


@dataclass(frozen=True)
class FieldError:
    field: str
    message: str


class InvalidFields(Refusal):
    """Every field that is wrong, at once."""

    code = "invalid-fields"
    title = "Some fields are missing or wrong."
    next_step = "Correct the fields in `errors`."

    def __init__(self, errors: list[FieldError]) -> None:
        detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
        super().__init__(detail, errors=[asdict(error) for error in errors])


class Fenced(Refusal):
    """The database refused a write because another side owns the domain, and nothing was done before."""

    code = "fenced"
    title = "Another side owns this now."
    next_step = "Send the same request to the owner; the proxy does so by itself."


class Unavailable(Refusal):
    code = "temporarily-unavailable"
    title = "This is not possible right now."
    next_step = "Repeat the same request, with the same key if it has one."
    retry_after = 2


class ShadowRefused(Refusal):
    """A request that is only there to be compared wanted to write."""

    code = "shadow-refused"
    title = "Shadow requests change nothing."
    next_step = "Take the route out of the plan's shadow routes: it is not pure."


class InternalError(Refusal):
    code = "internal-error"
    title = "Something went wrong here."
    next_step = "Try again later."


REFUSALS: Mapping[type[Refusal], int] = {
    Malformed: 400,
    NotAuthenticated: 401,
    CsrfTokenInvalid: 403,
    RoleRequired: 403,
    ShadowRefused: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    Fenced: 421,
    InvalidFields: 422,
    InternalError: 500,
    Unavailable: 503,
}
"""The chassis' part of the table from refusals to HTTP statuses; a service adds its own."""


def problem(refusal: Refusal, status: int) -> Response:
    members = {
        "type": f"/problems/{refusal.code}",
        "title": refusal.title,
        "status": status,
        "detail": str(refusal),
        "next_step": refusal.next_step,
        **refusal.facts,
    }
    answer = Response(_json(members), status, content_type="application/problem+json")
    if refusal.retry_after is not None:
        answer.headers["Retry-After"] = str(refusal.retry_after)
    return answer


def document(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(_json(value), status, dict(headers or {}), content_type="application/json")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
