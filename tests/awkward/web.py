"""The little that both programs need of WSGI: routes by method and pattern, JSON in and out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Environ = dict[str, Any]
Handler = Callable[..., Any]


@dataclass
class Refused(Exception):
    """An answer that is no success."""

    status: HTTPStatus
    detail: str


def body(environ: Environ) -> dict[str, Any]:
    """The request's JSON object."""
    try:
        found = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is no JSON") from error
    if not isinstance(found, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is no JSON object")
    return found


class Application:
    """A WSGI application; handlers take (environ, *groups of the pattern) and return (status, value)."""

    def __init__(self, at_the_end: Callable[[], None]) -> None:
        self._at_the_end = at_the_end
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def route(self, method: str, pattern: str) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self._routes.append((method, re.compile(pattern.replace("{}", "([0-9a-f-]{36})")), handler))
            return handler

        return add

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            status, value = self._answer(environ)
        except Refused as refused:
            status, value = refused.status, {"detail": refused.detail}
        finally:
            self._at_the_end()
        text = json.dumps(value, default=str).encode()
        start_response(
            f"{status.value} {status.phrase}",
            [("Content-Type", "application/json"), ("Content-Length", str(len(text)))],
        )
        return [text]

    def _answer(self, environ: Environ) -> tuple[HTTPStatus, Any]:
        known = False
        for method, pattern, handler in self._routes:
            if match := pattern.fullmatch(environ["PATH_INFO"]):
                known = True
                if method == environ["REQUEST_METHOD"]:
                    return handler(environ, *match.groups())
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED if known else HTTPStatus.NOT_FOUND, environ["PATH_INFO"])
