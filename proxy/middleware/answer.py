"""The answer of a guarded request: the application's own, or `421` where a fence was met and nothing is done yet."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .request import Environ, Request, current

StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
log = logging.getLogger("fig.middleware")


class Guarded:
    """The middleware itself."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(shadow=environ if "HTTP_X_FIG_SHADOW" in environ else None)
        environ["fig.begin_effect"] = request.begin_effect
        token = current.set(request)
        try:
            return self._answer(request, environ, start_response)
        finally:
            current.reset(token)

    def _answer(self, request: Request, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        head = _Head()
        body: Iterable[bytes] = ()
        first: list[bytes] = []
        try:
            body = chunks = self.application(environ, head)
            if not head.decided_well:
                # The head of a generator's answer comes with its first chunk; a 5xx may still meet the fence there.
                chunks = iter(body)
                first = _first(chunks)
        except Exception:
            if not request.refused:
                _close(body)
                raise
            head.status = "500 Internal Server Error"
        if request.refused and not head.decided_well:
            _close(body)
            return _refusal(request, environ, start_response)
        write = start_response(head.status, head.headers, *head.exc_info)
        for chunk in head.written:
            write(chunk)
        return body if head.decided_well and not first else _Rest(first, iter(chunks), body)


class _Head:
    """`start_response` of the application, kept back until it is known whether the answer stays."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.exc_info: tuple[Any, ...] = ()
        self.written: list[bytes] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        self.status, self.headers = status, headers
        self.exc_info = (exc_info,) if exc_info else ()
        return self.written.append

    @property
    def decided_well(self) -> bool:
        return self.status != "" and not self.status.startswith("5")


class _Rest:
    """An answer whose first chunk was already taken."""

    def __init__(self, first: list[bytes], chunks: Iterator[bytes], body: Iterable[bytes]) -> None:
        self.first, self.chunks, self.body = first, chunks, body

    def __iter__(self) -> Iterator[bytes]:
        yield from self.first
        yield from self.chunks

    def close(self) -> None:
        _close(self.body)


def _first(chunks: Iterator[bytes]) -> list[bytes]:
    for chunk in chunks:
        if chunk:
            return [chunk]
    return []


def _close(body: Iterable[bytes]) -> None:
    close = getattr(body, "close", None)
    if close:
        close()


def _refusal(request: Request, environ: Environ, start_response: StartResponse) -> list[bytes]:
    bounce = request.fence is not None and not request.done
    domain, epoch = request.fence or ("?", -1)
    status, code = ("421 Misdirected Request", "fenced") if bounce else ("503 Service Unavailable", "half-done")
    detail = f'The domain "{domain}" is not owned here (epoch {epoch}).'
    if request.done:
        detail += " Part of this request is already done, so it was not repeated."
    log.warning("fence of domain %s at epoch %s met: answered %s", domain, epoch, status)
    environ["fig.fenced"] = (domain, bounce)
    problem = {"type": f"/problems/{code}", "title": status[4:], "status": int(status[:3]), "detail": detail}
    text = json.dumps(problem).encode()
    headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(text)))]
    headers.append(("X-Fig-Fenced", f"{domain} {epoch}") if bounce else ("Retry-After", "1"))
    start_response(status, headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [text]
