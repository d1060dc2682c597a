"""Structured logs: one JSON object a line, with the request's id and trace and without personal data."""

from __future__ import annotations

import logging
import re
import time
import uuid
from contextlib import ExitStack
from typing import Any

from flask import Flask, Response, g, has_request_context, request
from pythonjsonlogger.json import JsonFormatter

from legacy_monolith import spans, trace

log = logging.getLogger("legacy_monolith.requests")

_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "legacy_monolith.logs.RequestId"}},
    "formatters": {
        "json": {
            "()": JsonFormatter,
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        }
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["request_id"]},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # httpx writes a line for every call; the seam logs those that matter.
        "httpx": {"level": "WARNING"},
        # The same of Twilio's client.
        "twilio": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},
        "gunicorn.error": {"level": "INFO"},
    },
}


class RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id()
        if current := trace.trace_id():
            record.trace_id = current
        return True


def request_id() -> str | None:
    return g.get("request_id") if has_request_context() else None


def init_app(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        trace.begin(request.headers.get(trace.HEADER))
        # The rule, not the path and never the query: neither ids nor searches of people belong in here.
        g.rule = request.url_rule.rule if request.url_rule else None
        facts = {"http.request.method": request.method, "http.route": g.rule or ""}
        g.ending = ExitStack()
        g.step = g.ending.enter_context(spans.step(f"{request.method} {g.rule or ''}".strip(), "SERVER", facts))
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex
        g.began = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        g.step.answered(response.status_code)
        if g.rule not in ("/livez", "/readyz"):
            elapsed = round((time.perf_counter() - g.began) * 1000, 2)
            log.info(
                "request",
                extra={"method": request.method, "rule": g.rule, "status": response.status_code, "ms": elapsed},
            )
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        if error is not None and "step" in g:
            g.step.fail(type(error).__name__)
        if "ending" in g:
            g.ending.close()
