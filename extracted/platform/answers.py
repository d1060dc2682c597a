"""From what an entrypoint returns or raises to the HTTP answer. Every exception passes here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from extracted.platform import shadow, spans
from extracted.platform.database import something_was_committed
from extracted.platform.fence import Fence, fence_of
from extracted.platform.json_logs import request_id
from extracted.platform.onward import admitted
from extracted.platform.problems import (
    REFUSALS,
    BodyTooLarge,
    Fenced,
    InternalError,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Refusal,
    Unavailable,
    problem,
)
from extracted.platform.request import Request

log = logging.getLogger("extracted.answers")

# SQLSTATE classes and codes after which the same request may well succeed.
_PASSING = ("08", "40", "53", "55P03", "57")


def answer(
    action: Callable[..., Response],
    request: Request,
    values: Mapping[str, Any],
    refusals: Mapping[type[Refusal], int],
) -> Response:
    """The answer to one request, whatever happens; logged in one line."""
    request_id.set(request.id)
    shadow.begin(request.headers)
    admitted.set(request.headers.get("X-Fig-Admitted", ""))
    facts = {"http.request.method": request.method, "http.route": request.route}
    with spans.step(f"{request.method} {request.route}", "SERVER", facts) as step:
        response = _answered(action, request, values, refusals)
        step.answered(response.status_code)
    return response


def _answered(
    action: Callable[..., Response],
    request: Request,
    values: Mapping[str, Any],
    refusals: Mapping[type[Refusal], int],
) -> Response:
    started = time.perf_counter()
    try:
        response = action(request, **values)
    except Refusal as refusal:
        response = problem(refusal, refusals[type(refusal)])
    except DBAPIError as error:
        response = database_error(error, request)
    except PoolTimeout as error:
        log.warning("no database connection was free: %s", error)
        response = refuse(Unavailable("Too many requests are waiting for the database."))
    except HTTPException as error:
        response = http_error(error)
    except Exception:
        log.exception("an entrypoint failed")
        response = refuse(InternalError("The error was logged under this request's id."))
    if shadow.is_shadow():
        response.headers[shadow.HEADER] = shadow.verdict()
    log.info(
        "answered",
        extra={
            "method": request.method,
            "route": request.route,
            "status": response.status_code,
            "ms": round((time.perf_counter() - started) * 1000, 2),
        },
    )
    return response


def refuse(refusal: Refusal) -> Response:
    """The answer for one of the chassis' own refusals."""
    return problem(refusal, REFUSALS[type(refusal)])


def http_error(error: HTTPException) -> Response:
    """An error of werkzeug's: no such path, no such method, a request that cannot be read."""
    if error.code == 404:
        return refuse(NotFound("Nothing is found at this address."))
    if error.code == 405:
        response = refuse(MethodNotAllowed("The address exists, the method does not."))
        response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return response
    if error.code == 413:
        return refuse(BodyTooLarge("The body is longer than is read."))
    return refuse(Malformed("This request cannot be answered."))


def database_error(error: DBAPIError, request: Request) -> Response:
    if fence := fence_of(error):
        return _fenced(fence, request)
    code = getattr(error.orig, "pgcode", None) or ""
    if code == shadow.READ_ONLY:
        shadow.refuse()
    # The driver names no code when the connection broke or could not be made.
    if error.connection_invalidated or not code or code.startswith(_PASSING):
        reason = type(error.orig).__name__
        log.warning("the database does not answer", extra={"reason": reason, "sqlstate": code})
        return refuse(Unavailable("The database does not answer in time."))
    log.error("the database refused a statement", exc_info=error)
    return refuse(InternalError("The error was logged under this request's id."))


def _fenced(fence: Fence, request: Request) -> Response:
    """Bounced to the proxy, which sends the request to the owner: only as long as nothing has been done."""
    facts = {"domain": fence.domain, "epoch": fence.epoch}
    is_half_done = something_was_committed()
    request.fenced = fence.domain, not is_half_done
    if is_half_done:
        log.error("fenced after a commit", extra=facts)
        return refuse(Unavailable(f"The domain {fence.domain} moved in the middle of this request."))
    log.warning("fenced", extra=facts)
    response = refuse(Fenced(f"The domain {fence.domain} is not owned here.", **facts))
    response.headers["X-Fig-Fenced"] = fence.header
    return response
