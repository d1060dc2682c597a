"""Every error as `application/problem+json`, whoever raised it; a page that does not exist as a page."""

from __future__ import annotations

import logging
from importlib.resources import files
from typing import Any

from flask import Flask, Response, json, request
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from werkzeug.exceptions import HTTPException

from legacy_monolith.database import db
from legacy_monolith.errors import (
    BodyTooLarge,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    TemporarilyUnavailable,
    UnsupportedMediaType,
)

log = logging.getLogger(__name__)

BY_STATUS: dict[int, tuple[type[Problem], str]] = {
    404: (NotFound, "Nothing is found at this address."),
    405: (MethodNotAllowed, "The address exists, the method does not."),
    413: (BodyTooLarge, "A body is at most 262,144 bytes."),
    415: (UnsupportedMediaType, "The body has to be application/json."),
}


PAGE_POLICY = (
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; style-src 'self'; img-src 'self';"
    " script-src 'self'; connect-src 'self'"
)


def document(problem: Problem) -> dict[str, Any]:
    """The problem as the client reads it."""
    return {
        "type": f"/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "next_step": problem.next_step,
        **problem.facts,
    }


def response(problem: Problem) -> Response:
    answer = Response(json.dumps(document(problem)), problem.status, mimetype="application/problem+json")
    if problem.retry_after is not None:
        answer.headers["Retry-After"] = str(problem.retry_after)
    return answer


def _is_meant_for_people() -> bool:
    """A browser that opens an address asks for a page above all; whoever speaks to the API does not."""
    wanted = request.accept_mimetypes
    return not request.path.startswith(("/api/", "/internal/")) and wanted["text/html"] > wanted["application/json"]


def _missing_page() -> Response:
    page = files("legacy_monolith").joinpath("storefront/missing.html").read_bytes()
    return Response(page, 404, mimetype="text/html", headers={"Content-Security-Policy": PAGE_POLICY})


def init_app(app: Flask) -> None:
    @app.errorhandler(Problem)
    def refused(problem: Problem) -> Response:
        # What the request did until then is undone at once, not when the response is sent.
        db.session.rollback()
        return response(problem)

    @app.errorhandler(HTTPException)
    def refused_by_the_framework(error: HTTPException) -> Response:
        status = error.code or 500
        if status == NotFound.status and _is_meant_for_people():
            return _missing_page()
        kind, detail = BY_STATUS.get(
            status, (MalformedRequest if status < 500 else Problem, "This request cannot be answered.")
        )
        answer = response(kind(detail))
        if allowed := getattr(error, "valid_methods", None):
            answer.headers["Allow"] = ", ".join(sorted(allowed))
        return answer

    @app.errorhandler(OperationalError)
    @app.errorhandler(PoolExhausted)
    def database_does_not_answer(error: Exception) -> Response:
        # Without the statement's parameters, which may be personal data.
        reason = error.orig if isinstance(error, DBAPIError) else error
        log.error("the database does not answer", extra={"reason": type(reason).__name__})
        db.session.rollback()
        return response(TemporarilyUnavailable("The database does not answer in time."))
