"""A small real HTTP server that remembers what reached it, and answers as a test tells it to."""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.postgres import free_port


@dataclass(frozen=True)
class Arrival:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    size: int
    digest: str
    at: float

    @property
    def key(self) -> str:
        return self.headers.get("x-test-key", "")


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] | None = None
    """Instead of a body of known length: sent as they come."""


Behaviour = Callable[[Arrival], Answer]


def fenced(domain: str = "catalog", epoch: int = 1) -> Behaviour:
    """An application whose database refuses every write at this epoch."""

    def behave(arrival: Arrival) -> Answer:
        if arrival.method in ("GET", "HEAD", "OPTIONS"):
            return Answer(body=b"read")
        return Answer(421, b'{"status":421}', {"X-Fig-Fenced": f"{domain} {epoch}"})

    return behave


def at_least(things: Sized, count: int) -> Callable[[], bool]:
    """A condition to wait for: `things` has grown to this length."""
    return lambda: len(things) >= count


_given: set[int] = set()


def new_port() -> int:
    """A free port that nobody here was given before: not all are bound at once."""
    while (port := free_port()) in _given:
        pass
    _given.add(port)
    return port


class Origin:
    """`behaviour` may be exchanged at any time; `arrivals` grows by one with each request."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = new_port()
        self.arrivals: list[Arrival] = []
        self.behaviour: Behaviour = lambda _: Answer(body=name.encode())
        self.tls: ssl.SSLContext | None = None
        self._server: _Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def accepted(self) -> Counter[str]:
        """How often each key arrived here."""
        return Counter(arrival.key for arrival in self.arrivals if arrival.key)

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        if self.tls:
            # Each connection's own thread does its handshake.
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on, and close those that are open."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server.close_all()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    allow_reuse_address = True

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.open: set[object] = set()

    def process_request(self, request, client_address):
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def close_all(self) -> None:
        import socket

        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]
            except OSError:
                continue  # The other end was quicker.

    def handle_error(self, request, client_address):
        """A peer that goes away is part of these tests."""


def _handler(origin: Origin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def serve(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            digest, left = hashlib.sha256(), size
            while left:
                piece = self.rfile.read(min(left, 1 << 20))
                if not piece:
                    self.close_connection = True
                    return  # Never whole: the application would not have run.
                digest.update(piece)
                left -= len(piece)
            headers = {name.lower(): value for name, value in self.headers.items()}
            arrival = Arrival(self.command, self.path, headers, size, digest.hexdigest(), time.monotonic())
            origin.arrivals.append(arrival)
            answer = origin.behaviour(arrival)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.pieces is not None:
                self.stream(answer.pieces)
                return
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD" and answer.status != 204:
                self.wfile.write(answer.body)

        def stream(self, pieces: Iterable[bytes]) -> None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            for piece in pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler
