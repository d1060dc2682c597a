"""HTTP clients that never retry: every attempt is made once, recorded once, and judged honestly.

A connection that broke after the first byte of a request was sent is an outcome, not something to hide: nobody
can know whether the server acted. On a kept connection the client does what a good browser does and no more: it
looks whether the server has closed it before sending, and believes an announced `Connection: close`.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Outcome(StrEnum):
    """What the client may believe about its own request."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


def outcome_of(status: int | None) -> Outcome:
    """A 4xx says that nothing was done; a 5xx or a broken connection says nothing at all."""
    if status is None or status >= 500:
        return Outcome.UNKNOWN
    return Outcome.REFUSED if status >= 400 else Outcome.ACKNOWLEDGED


class BrokenConnection(OSError):
    """The connection ended, or the patience did, before a whole answer was there."""


@dataclass(frozen=True)
class Attempt:
    """One request as the client saw it; times are of the monotonic clock."""

    method: str
    path: str
    status: int | None
    started: float
    ended: float
    new_connection: bool
    error: str = ""

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.status)

    @property
    def seconds(self) -> float:
        return self.ended - self.started


@dataclass(frozen=True)
class Answer:
    """A whole answer, or a broken attempt (`status` None), so that no caller can overlook one."""

    attempt: Attempt
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def status(self) -> int | None:
        return self.attempt.status

    @property
    def outcome(self) -> Outcome:
        return self.attempt.outcome

    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        attempt = self.attempt
        said = attempt.error or self.body[:300].decode(errors="replace")
        request_id = self.headers.get("x-request-id", "-")
        return f"{attempt.method} {attempt.path} -> {attempt.status} (request {request_id}): {said}"


class Connection:
    """One TCP connection that speaks HTTP/1.1, one request at a time."""

    def __init__(self, host: str, port: int, patience: float) -> None:
        self._socket = socket.create_connection((host, port), timeout=patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self._socket.makefile("rb")
        self.reusable = True

    def is_fresh(self) -> bool:
        """False when the server announced or did its close; asked before anything is sent."""
        if not self.reusable:
            return False
        readable, _, _ = select.select([self._socket], [], [], 0)
        return not readable

    def exchange(self, request: bytes, method: str) -> tuple[int, dict[str, str], list[str], bytes]:
        """Send and read one answer: status, headers (lower case), Set-Cookie lines, body."""
        self.reusable = False
        self._socket.sendall(request)
        status, version, headers, cookies = self._read_head()
        while 100 <= status < 200:
            status, version, headers, cookies = self._read_head()
        body, delimited = self._read_body(status, method, headers)
        asked_to_close = "close" in headers.get("connection", "").lower()
        self.reusable = delimited and not asked_to_close and version == "HTTP/1.1"
        return status, headers, cookies, body

    def _line(self) -> str:
        line = self._input.readline(65536)
        if not line.endswith(b"\n"):
            raise BrokenConnection("the server closed the connection in the middle of an answer")
        return line.decode("latin-1").rstrip("\r\n")

    def _read_head(self) -> tuple[int, str, dict[str, str], list[str]]:
        first = self._line().split(" ", 2)
        if len(first) < 2 or not first[1].isdigit():
            raise BrokenConnection(f"not an HTTP answer: {' '.join(first)[:80]!r}")
        headers: dict[str, str] = {}
        cookies: list[str] = []
        while line := self._line():
            name, _, value = line.partition(":")
            if name.lower() == "set-cookie":
                cookies.append(value.strip())
            else:
                headers[name.lower()] = value.strip()
        return int(first[1]), first[0], headers, cookies

    def _read_body(self, status: int, method: str, headers: dict[str, str]) -> tuple[bytes, bool]:
        """The body, and whether its end was marked (otherwise the connection's end is the body's)."""
        if method == "HEAD" or status in (204, 304):
            return b"", True
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks(), True
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"])), True
        return self._input.read(), False

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self._line().split(";")[0], 16):
            parts.append(self._exactly(size))
            self._line()
        while self._line():
            pass
        return b"".join(parts)

    def _exactly(self, size: int) -> bytes:
        body = self._input.read(size)
        if len(body) != size:
            raise BrokenConnection(f"the answer ended after {len(body)} of {size} bytes")
        return body

    def close(self) -> None:
        self._input.close()
        self._socket.close()


@dataclass
class Client:
    """A browser in little: cookies, a CSRF token, one connection kept (or a new one for each request)."""

    url: str
    keep_alive: bool = True
    patience: float = 30.0
    record: Callable[[Attempt], None] = field(default=lambda attempt: None)
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    csrf_token: str = ""
    _connection: Connection | None = None

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", path, body, headers)

    def request(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Make exactly one attempt; whatever happens is in the answer and in the record."""
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = self._encode(method, path, payload, body is not None, headers or {})
        started = time.monotonic()
        new_connection = False
        try:
            connection, new_connection = self._connected()
            status, answered, cookies, content = connection.exchange(request, method)
        except (OSError, ValueError) as error:
            self.close()
            said = f"{type(error).__name__}: {error}"
            attempt = Attempt(method, path, None, started, time.monotonic(), new_connection, said)
            self.record(attempt)
            return Answer(attempt)
        attempt = Attempt(method, path, status, started, time.monotonic(), new_connection)
        if not (self.keep_alive and connection.reusable):
            self.close()
        self._remember(cookies)
        self.record(attempt)
        return Answer(attempt, answered, content)

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _connected(self) -> tuple[Connection, bool]:
        if self._connection and self._connection.is_fresh():
            return self._connection, False
        self.close()
        parts = urlsplit(self.url)
        self._connection = Connection(parts.hostname or "127.0.0.1", parts.port or 80, self.patience)
        return self._connection, True

    def _encode(self, method: str, path: str, payload: bytes, has_body: bool, headers: Mapping[str, str]) -> bytes:
        lines = {"Host": urlsplit(self.url).netloc, "Accept": "application/json", **self.headers}
        if not self.keep_alive:
            lines["Connection"] = "close"
        if self.cookies:
            lines["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method not in SAFE_METHODS:
            lines["Content-Length"] = str(len(payload))
            if self.csrf_token:
                lines["X-CSRF-Token"] = self.csrf_token
        if has_body:
            lines["Content-Type"] = "application/json"
        lines.update(headers)
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + payload

    def _remember(self, lines: list[str]) -> None:
        for line in lines:
            pair, *attributes = line.split(";")
            name, _, value = pair.strip().partition("=")
            ended = any(a.strip().lower() in ("max-age=0", "max-age=-1") for a in attributes)
            if ended or not value or "expires=thu, 01 jan 1970" in line.lower():
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
