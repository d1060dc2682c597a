"""The WSGI application of a service: probes are answered at once, all else goes to the entrypoints."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import eventlet
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from extracted.platform import shadow
from extracted.platform.answers import http_error
from extracted.platform.figures import PATH, Figures
from extracted.platform.identity import IdentityCheck
from extracted.platform.request import Request

log = logging.getLogger(__name__)

StartResponse = Callable[..., Any]

READY_WITHIN_S = 1.0


class Application:
    """Probes do not pass the worker pool, so that a busy service is not taken for a dead one."""

    def __init__(self, server: Any, identity_check: IdentityCheck) -> None:
        self._server = server
        self._routes = server.make_url_map().bind("service")
        self._identity_check = identity_check
        self._figures = Figures(server.container.service_name)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/livez":
            return _state(start_response, "200 OK", "alive")
        if path == "/readyz":
            return self._readiness(start_response)
        if path == PATH:
            return self._figures.page()(environ, start_response)
        request = Request(environ)
        if request.headers.get(shadow.HEADER) == "probe":
            return Response(status=204, headers={shadow.HEADER: "fenced"})(environ, start_response)
        began = time.perf_counter()
        response = self._answer(request, path)
        self._figures.answered(request.method, response, time.perf_counter() - began)
        if request.fenced:
            self._figures.fenced(*request.fenced)
        return response(environ, start_response)

    def _answer(self, request: Request, path: str) -> Response:
        """The entrypoint's answer, or why there is none."""
        try:
            rule, values = self._routes.match(path, request.method, return_rule=True)
            request.identity_check = self._identity_check
            request.route = rule.rule
            response: Response = rule.endpoint.handle_request(request, values)
            for finish in request.finishing:
                finish(response)
        except HTTPException as error:
            response = http_error(error)
        response.headers["X-Request-Id"] = request.id
        if shadow.HEADER in request.headers:
            # What never came to an entrypoint has done nothing.
            response.headers.setdefault(shadow.HEADER, "fenced")
        return response

    def _readiness(self, start_response: StartResponse) -> Iterable[bytes]:
        if self._server.draining:
            return _state(start_response, "503 Service Unavailable", "draining")
        reason = self._missing()
        return _state(start_response, "503 Service Unavailable" if reason else "200 OK", reason or "ready")

    def _missing(self) -> str:
        """What a dependency lacks in order to serve; nothing when all is there."""
        for dependency in self._server.container.dependencies:
            check = getattr(dependency, "answers", None)
            if check is None:
                continue
            try:
                with eventlet.Timeout(READY_WITHIN_S, TimeoutError(f"no answer within {READY_WITHIN_S} s")):
                    check()
            except (DBAPIError, PoolTimeout, TimeoutError) as error:
                log.warning("not ready: %s: %s", dependency.attr_name, error)
                return f"{dependency.attr_name} does not answer"
        return ""


def _state(start_response: StartResponse, status: str, state: str) -> Iterable[bytes]:
    body = json.dumps({"status": state}).encode()
    start_response(
        status,
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ],
    )
    return [body]
