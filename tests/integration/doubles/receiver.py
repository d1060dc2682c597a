"""A webhook endpoint in this process: keeps what comes, answers what it was told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe


@dataclass(frozen=True)
class Received:
    payload: bytes
    signature: str

    def event(self, secret: str) -> Any:
        """What the real library makes of it; it raises when the signature is not good."""
        return stripe.Webhook.construct_event(self.payload, self.signature, secret)


@dataclass
class Receiver:
    """`statuses` are used up, one a request; after that it is 200."""

    url: str
    statuses: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator[Receiver]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                payload = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.take(Received(payload, self.headers["Stripe-Signature"])))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            receiver = cls(f"http://127.0.0.1:{server.server_port}/webhooks/stripe")
            thread = threading.Thread(target=server.serve_forever, args=[0.05])
            thread.start()
            yield receiver
            server.shutdown()
            thread.join()

    def take(self, one: Received) -> int:
        with self.lock:
            self.received.append(one)
            return self.statuses.pop(0) if self.statuses else 200

    def events(self, secret: str) -> list[Any]:
        with self.lock:
            return [one.event(secret) for one in self.received]
