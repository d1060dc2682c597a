"""The counting client against real sockets: it counts each attempt once, and repeats none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.clients import Attempt, Client, Outcome, outcome_of
from tests.support.waiting import wait_until


class _Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            return
        self._answer(200, self.headers.get("Cookie", "").encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201, body + b"|" + self.headers.get("X-CSRF-Token", "").encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "session=abc; Path=/; HttpOnly")
        self.send_header("Set-Cookie", "gone=; Max-Age=0")
        if self.path == "/last":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are silent when green."""


@pytest.fixture
def shop() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def scripted(*acts: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[int]]]:
    """A server whose n-th connection is treated by the n-th act; yields its URL and the connections seen."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[int] = []

    def run() -> None:
        for act in acts:
            connection, _ = listener.accept()
            seen.append(1)
            with connection:
                act(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    listener.close()


def read_request(connection: socket.socket) -> None:
    while b"\r\n\r\n" not in connection.recv(65536):
        pass


def answer_ok(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def test_a_kept_connection_serves_many_requests_and_a_new_one_is_made_for_each_otherwise(shop: str) -> None:
    for keep_alive, connections in ((True, 1), (False, 5)):
        attempts: list[Attempt] = []
        client = Client(shop, keep_alive=keep_alive, record=attempts.append)
        assert [client.get("/").status for _ in range(5)] == [200] * 5
        client.close()
        assert sum(a.new_connection for a in attempts) == connections


def test_an_announced_close_costs_a_new_connection_but_no_request(shop: str) -> None:
    attempts: list[Attempt] = []
    client = Client(shop, record=attempts.append)
    assert [client.get(path).status for path in ("/", "/last", "/", "/last", "/")] == [200] * 5
    client.close()
    assert [a.new_connection for a in attempts] == [True, False, True, False, True]


def test_cookies_and_the_csrf_token_are_sent_back(shop: str) -> None:
    client = Client(shop, cookies={"gone": "x"}, csrf_token="t0ken")
    client.get("/")
    assert client.cookies == {"session": "abc"}
    assert client.get("/").body == b"session=abc"
    assert client.post("/", {"a": 1}).body == b'{"a": 1}|t0ken'
    client.close()


def test_a_chunked_answer_is_read_whole_and_leaves_the_connection_usable(shop: str) -> None:
    client = Client(shop)
    assert client.get("/chunked").body == b"abcde"
    second = client.get("/")
    assert (second.status, second.attempt.new_connection) == (200, False)
    client.close()


def test_a_connection_that_breaks_after_the_request_was_sent_is_unknown_and_never_sent_again() -> None:
    def drop(connection: socket.socket) -> None:
        read_request(connection)

    attempts: list[Attempt] = []
    with scripted(drop) as (url, seen):
        answer = Client(url, record=attempts.append).post("/", {})
    assert (answer.status, answer.outcome, len(attempts), len(seen)) == (None, Outcome.UNKNOWN, 1, 1)
    assert "closed the connection" in str(answer)


def test_half_an_answer_is_no_answer() -> None:
    def half(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    with scripted(half) as (url, _):
        answer = Client(url).get("/")
    assert (answer.status, answer.attempt.error) == (
        None,
        "BrokenConnection: the answer ended after 3 of 10 bytes",
    )


def test_a_connection_closed_while_idle_is_noticed_before_anything_is_sent() -> None:
    closed = threading.Event()

    def answer_and_close(connection: socket.socket) -> None:
        read_request(connection)
        answer_ok(connection)
        connection.close()
        closed.set()

    attempts: list[Attempt] = []
    with scripted(answer_and_close, answer_and_close) as (url, _):
        client = Client(url, record=attempts.append)
        assert client.get("/").status == 200
        kept = client._connection
        wait_until(lambda: kept and not kept.is_fresh(), 5, "the close arrives")
        assert client.get("/").status == 200
        client.close()
    assert [a.new_connection for a in attempts] == [True, True]


def test_a_server_that_is_not_there_is_one_unknown_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    attempts: list[Attempt] = []
    assert Client(f"http://127.0.0.1:{port}", record=attempts.append).get("/").status is None
    assert [a.error.split(":")[0] for a in attempts] == ["ConnectionRefusedError"]


def test_only_a_refusal_is_taken_as_nothing_done() -> None:
    judged = {status: outcome_of(status) for status in (200, 201, 302, 404, 409, 500, 503, None)}
    assert [s for s, o in judged.items() if o is Outcome.REFUSED] == [404, 409]
    assert [s for s, o in judged.items() if o is Outcome.UNKNOWN] == [500, 503, None]
