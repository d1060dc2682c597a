"""A collector of traces by OTLP over HTTP, read with OpenTelemetry's own types; and one that hangs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.postgres import free_port


@dataclass(frozen=True)
class Given:
    """One span."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    facts: dict[str, str | int]
    is_error: bool


@dataclass
class Collector:
    """What it was given so far."""

    url: str
    spans: list[Given] = field(default_factory=list)

    def of(self, trace: str) -> list[Given]:
        return [one for one in self.spans if one.trace == trace]


def _read(body: bytes) -> Iterator[Given]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                facts = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
                yield Given(
                    about["service.name"], span.name, Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), facts,
                    span.status.code == Status.STATUS_CODE_ERROR,
                )  # fmt: skip


@contextmanager
def collecting() -> Iterator[Collector]:
    """One that takes everything."""
    collector = Collector(f"http://127.0.0.1:{free_port()}")

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            collector.spans += _read(self.rfile.read(int(self.headers["Content-Length"])))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with ThreadingHTTPServer(("127.0.0.1", int(collector.url.rpartition(":")[2])), Taking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def hanging() -> Iterator[tuple[str, list[socket.socket]]]:
    """One that takes connections and never answers: its address, and the connections."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", free_port())) as listener:

        def take() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return  # It is closed.

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", taken
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in taken:
                one.close()
