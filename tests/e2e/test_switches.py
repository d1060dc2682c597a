"""One domain goes there and back while people use it, and nobody notices (I4, I7, I8, I1, I2, I3, I6).

The clients count every attempt and never retry; a third of them opens a new connection for each request.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import pytest

from migration_plan import bootstrap
from migration_plan.errors import SwitchAborted
from migration_plan.lifecycle import Side
from migration_plan.moving.moves import MoveResult
from tests.load.crowd import Size
from tests.load.moving import Moving
from tests.load.watched import WatchedShop
from tests.support.clients import Attempt, Client
from tests.support.history import Verdict
from tests.support.stack import Stack
from tests.support.waiting import wait_until

PROMISED = ("I1", "I2", "I3", "I4", "I6", "I7", "I8")


@dataclass(frozen=True)
class Switches:
    """What many switches under load came to."""

    done: list[MoveResult]
    verdict: Verdict
    requests: int
    failed: list[str]
    with_new_connection: int
    reads: int


def switch_to_and_fro(stack: Stack, number: int) -> Switches:
    moving = Moving(stack)
    done: list[MoveResult] = []
    moving.begin_sync()
    moving.give_to(Side.MONOLITH)
    size = Size(shoppers=9, sellers=6, visitors=3, rate=90.0, buying=0.2, name=f"switches-{number}-{os.getpid()}")
    with WatchedShop(stack.env, size) as watched:
        with watched.people():
            while len(done) < number:
                try:
                    done.append(moving.switch(forward=len(done) % 2 == 0))
                except SwitchAborted:
                    # Where it would have kept people waiting it took itself back: they must not notice that either.
                    moving.wait_until_settled()
                watched.look()
        verdict = watched.judge(faultless=True)
    return Switches(
        done,
        verdict,
        len(watched.samples),
        [f"{operation}: {operation.evidence}" for operation in watched.operations if not operation.expected],
        sum(sample.new_connection for sample in watched.samples),
        sum(sample.read for sample in watched.samples),
    )


@pytest.fixture(scope="module", params=[12, pytest.param(100, marks=[pytest.mark.full, pytest.mark.timeout(1800)])])
def switches(request: pytest.FixtureRequest, stack: Stack) -> Switches:
    return switch_to_and_fro(stack, request.param)


@pytest.mark.timeout(900)
def test_no_request_of_anyone_fails(switches: Switches) -> None:
    assert switches.failed == []
    assert switches.verdict.word("I4") == "kept"


def test_reads_and_writes_on_kept_and_on_new_connections_were_made(switches: Switches) -> None:
    assert 0 < switches.with_new_connection < switches.requests
    assert 0 < switches.reads < switches.requests


@pytest.mark.parametrize("promise", PROMISED)
def test_every_promise_is_kept(switches: Switches, promise: str) -> None:
    broken = [str(violation) for violation in switches.verdict.violations if violation.promise == promise]
    assert broken == []
    assert switches.verdict.word(promise) == "kept"


def test_ownership_went_to_and_fro_by_one_epoch_each_time(switches: Switches) -> None:
    takers = [str(move.switch.taker) for move in switches.done if move.switch]
    assert takers == ["service", "monolith"] * (len(takers) // 2)
    epochs = [move.switch.epoch for move in switches.done if move.switch]
    assert epochs == sorted(set(epochs))


def test_verification_is_clean_afterwards(switches: Switches, stack: Stack) -> None:
    assert Moving(stack).differences() == 0


@pytest.fixture
def seller(stack: Stack) -> Iterator[Client]:
    """Somebody with a session on a kept connection."""
    client = Client(stack.env["FIG_PUBLIC_URL"])
    email = f"seller-{uuid.uuid4()}@example.org"
    signup = {"email": email, "password": "correct horse", "name": "Seller", "role": "seller"}
    assert client.post("/api/users/signup", signup).status == 201
    client.csrf_token = client.get("/api/users/csrf").json()["csrf_token"]
    yield client
    client.close()


def test_a_session_lives_through_a_switch_with_its_role_its_token_and_its_cart(stack: Stack, seller: Client) -> None:
    moving = Moving(stack)
    moving.begin_sync()
    moving.give_to(Side.MONOLITH)
    product = {"title": "Lamp", "description": "", "category": "light", "price": "12.34", "stock": 5}
    made = seller.post("/api/catalog/products", product)
    assert made.status == 201, made
    path = f"/api/payments/cart/items/{made.json()['id']}"
    assert seller.request("PUT", path, {"quantity": 2}).status == 200
    before = seller.get("/api/users/me").json()
    for taker in (Side.SERVICE, Side.MONOLITH):
        moving.give_to(taker)
        assert seller.get("/api/users/me").json() == before
        cart = seller.get("/api/payments/cart").json()["items"]
        assert [(item["product_id"], item["quantity"]) for item in cart] == [(made.json()["id"], 2)]
        edited = seller.request("PATCH", f"/api/catalog/products/{made.json()['id']}", {"title": f"Lamp of {taker}"})
        assert (edited.status, edited.json()["title"]) == (200, f"Lamp of {taker}"), edited


def test_a_write_is_read_back_at_once_on_either_side_and_through_the_orders_page(stack: Stack, seller: Client) -> None:
    moving = Moving(stack)
    moving.begin_sync()
    product = {"title": "Chair", "description": "", "category": "kitchen", "price": "9.00", "stock": 500}
    made = seller.post("/api/catalog/products", product).json()
    path = f"/api/catalog/products/{made['id']}"
    assert seller.request("PUT", f"/api/payments/cart/items/{made['id']}", {"quantity": 1}).status == 200
    bought = seller.post("/api/payments/checkout", headers={"Idempotency-Key": str(uuid.uuid4())})
    assert bought.status == 201, bought
    for owner in (Side.SERVICE, Side.MONOLITH):
        moving.give_to(owner)
        for number in range(10):
            title = f"Chair {number} of {owner}"
            assert seller.request("PATCH", path, {"title": title}).status == 200
            assert seller.get(path).json()["title"] == title
            [line] = seller.get("/api/payments/orders").json()["items"][0]["lines"]
            assert line["current_title"] == title


def test_a_body_of_an_unsafe_request_does_not_get_into_the_next_one(stack: Stack, seller: Client) -> None:
    """The identity check has no body; if it claimed one, the next request on that connection would be cut into."""
    attempts: list[Attempt] = []
    seller.record = attempts.append
    for number in range(40):
        seller.post("/api/catalog/products", {"title": "x" * (number * 40 + 1)})
    assert {attempt.status for attempt in attempts} == {422}


def test_a_switch_begins_when_the_write_under_way_has_ended_and_holds_nobody_before(
    stack: Stack, seller: Client
) -> None:
    """The switch waits for an edit that takes its time, and nobody else for the switch."""
    moving = Moving(stack)
    moving.begin_sync()
    moving.give_to(Side.MONOLITH)
    product = {"title": "Stool", "description": "", "category": "kitchen", "price": "9.00", "stock": 5}
    path = f"/api/catalog/products/{seller.post('/api/catalog/products', product).json()['id']}"
    with closing(bootstrap.build("catalog", stack.env).parts) as parts, ThreadPoolExecutor(2) as pool:
        stack.stop("monolith")
        try:
            edit = pool.submit(seller.request, "PATCH", path, {"title": "Later"})
            wait_until(lambda: parts.proxies[0].inflight("catalog") == 1, 10, "the edit is under way")
            switch = pool.submit(moving.switch, forward=True)
            wait_until(lambda: parts.journal.open_intent("catalog") or switch.done(), 30, "the switch has begun")
            # Shorter than the switch looks for a moment that is quiet.
            until = time.monotonic() + 0.6
            while time.monotonic() < until:
                assert parts.proxies[0].routes()["catalog"].hold is None
        finally:
            stack.cont("monolith")
        assert edit.result().status == 200
        done = switch.result().switch
    assert done is not None
    assert done.held == 0
