"""A stand-in for Twilio on a real socket: takes messages, or does what it was told instead."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

HANG_UP = "hang up"
Answer = tuple[int, object] | str


@dataclass(frozen=True)
class Message:
    """A request as it arrived."""

    path: str
    authorization: str
    to: str
    sender: str
    text: str

    @property
    def code(self) -> str:
        return self.text[:6]


class Carrier(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.messages: list[Message] = []
        self.script: list[Answer] = []
        # Called when a message has arrived and is not yet answered.
        self.on_arrival: Callable[[], object] = lambda: None

    def reset(self) -> None:
        self.messages.clear()
        self.script.clear()
        self.on_arrival = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def last(self) -> Message:
        return self.messages[-1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Carrier

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        said = {name: values[0] for name, values in body.items()}
        authorization = self.headers.get("Authorization", "")
        self.server.messages.append(Message(self.path, authorization, said["To"], said["From"], said["Body"]))
        self.server.on_arrival()
        number = len(self.server.messages)
        told = self.server.script.pop(0) if self.server.script else (201, {"sid": f"SM{number}", "status": "queued"})
        if isinstance(told, str):
            # The message was read, and nobody will hear what became of it.
            self.close_connection = True
            return
        status, content = told
        answer = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""


@contextmanager
def running() -> Iterator[Carrier]:
    with Carrier() as carrier:
        thread = threading.Thread(target=carrier.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield carrier
        finally:
            carrier.shutdown()
            thread.join()
