"""What the seam believes of an answer, and what it repeats."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID, uuid4

import pytest

from legacy_monolith.errors import OutOfStock
from legacy_monolith.remote_stock import RemoteStock, StockInDoubt
from tests.integration.monolith.shop import Shop

KEY = UUID("6f1c9a52-5a51-4f0e-9a36-3a6b7d1c2e4f")
HELD = {
    "key": str(KEY),
    "state": "held",
    "lines": [{"product_id": 7, "quantity": 2, "unit_price": "1.10", "title": "Chair"}],
}
SOLD_OUT = {"type": "/problems/out-of-stock", "title": "t", "status": 409, "detail": "d", "product_id": 7, "stock": 1}
PROBLEM, PLAIN, JSON = "application/problem+json", "text/plain", "application/json"


class Scripted(ThreadingHTTPServer):
    """Gives the answers it was told to, one after another, and remembers the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, str, bytes] | None] = []
        self.requests: list[tuple[str, str, bytes, dict[str, str]]] = []

    def tell(self, *answers: tuple[int, str, object] | None) -> None:
        self.script = [answer and (answer[0], answer[1], json.dumps(answer[2]).encode()) for answer in answers]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, body, dict(self.headers)))
        told = self.server.script.pop(0)
        if told is None:
            # The request was read, and nobody will ever know what became of it.
            self.close_connection = True
            return
        status, media_type, content = told
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = answer

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""


@pytest.fixture
def owner() -> Iterator[Scripted]:
    with Scripted() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def stock(owner: Scripted) -> Iterator[RemoteStock]:
    remote = RemoteStock(owner.url, patience=5.0)
    yield remote
    remote.close()


@pytest.mark.parametrize(
    "in_doubt",
    [
        None,
        (500, PROBLEM, {"type": "/problems/internal-error", "detail": "d"}),
        (503, PROBLEM, {"type": "/problems/temporarily-unavailable", "detail": "d"}),
        (421, PLAIN, "fenced"),
        (404, PROBLEM, {"type": "/problems/not-found", "detail": "d"}),
        (409, PLAIN, "a conflict that no owner of a catalog speaks of"),
        (502, PLAIN, "<html>"),
    ],
)
def test_whatever_decides_nothing_is_repeated_word_for_word(
    owner: Scripted, stock: RemoteStock, in_doubt: tuple[int, str, object] | None
) -> None:
    owner.tell(in_doubt, in_doubt, (200, JSON, HELD))
    reservation = stock.reserve(KEY, {7: 2})
    assert (reservation.state, reservation.lines[0].title) == ("held", "Chair")
    sent = {(method, path, body) for method, path, body, _ in owner.requests}
    assert len(owner.requests) == 3
    assert sent == {
        (
            "PUT",
            f"/internal/catalog/reservations/{KEY}",
            b'{"lines":[{"product_id":7,"quantity":2}]}',
        )
    }


def test_a_refusal_of_the_owner_is_believed_at_once(owner: Scripted, stock: RemoteStock) -> None:
    owner.tell((409, PROBLEM, SOLD_OUT))
    with pytest.raises(OutOfStock) as refusal:
        stock.reserve(KEY, {7: 2})
    assert refusal.value.facts == {"product_id": 7, "stock": 1}
    assert len(owner.requests) == 1


@pytest.mark.parametrize(
    ("told", "known"), [((200, JSON, {}), True), ((404, PROBLEM, {}), False), ((503, PLAIN, ""), True), (None, True)]
)
def test_only_the_owner_can_say_that_there_is_no_such_product(
    owner: Scripted, stock: RemoteStock, told: tuple[int, str, object] | None, known: bool
) -> None:
    owner.tell(told)
    assert stock.knows(7) is known


def test_doubt_ends_with_patience_and_is_no_refusal(owner: Scripted) -> None:
    remote = RemoteStock(owner.url, patience=0.0)
    owner.tell((503, PLAIN, ""))
    with pytest.raises(StockInDoubt) as doubt:
        remote.confirm(uuid4())
    assert doubt.value.status == 503
    remote.close()


def test_a_call_carries_the_requests_id_and_its_leave_to_pass_a_hold(
    owner: Scripted, stock: RemoteStock, shop: Shop
) -> None:
    owner.tell((200, JSON, HELD), (200, JSON, HELD))
    sent = {"X-Request-Id": "r-1", "X-Fig-Admitted": "payments"}
    with shop.app.test_request_context(headers=sent):
        shop.app.preprocess_request()
        stock.confirm(KEY)
    stock.confirm(KEY)
    first, second = (headers for *_, headers in owner.requests)
    assert {name: first[name] for name in sent} == sent
    assert "X-Fig-Admitted" not in second
