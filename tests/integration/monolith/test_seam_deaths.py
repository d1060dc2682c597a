"""Checkout and cancel where the catalog is owned elsewhere, whatever dies, and whenever."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from legacy_monolith import jobs
from tests.integration.monolith import elsewhere
from tests.integration.monolith.elsewhere import Apart, Died, Program, dying
from tests.integration.monolith.shop import ORDERS, new_key, problem
from tests.support.clients import Client
from tests.support.waiting import wait_until

# Where the process of the front may die: before and after each call, each call being known to the owner or not.
POINTS = [(call, moment) for call in ("reserve", "confirm", "release") for moment in ("before", "after")]


@pytest.mark.parametrize(("call", "moment"), POINTS)
def test_an_order_whose_process_died_anywhere_is_finished_and_no_unit_is_lost_or_sold_twice(
    apart: Apart, monkeypatch: pytest.MonkeyPatch, call: str, moment: str
) -> None:
    buyer = apart.front.person()
    product = apart.offer(stock=5)
    buyer.put_in_cart(product, 2)
    if call == "release":
        placed = buyer.check_out().get_json()["id"]
    revive = dying(apart, monkeypatch, call, moment)
    path = f"{ORDERS}/{placed}/cancel" if call == "release" else "/api/payments/checkout"
    with pytest.raises(Died):
        buyer.post(path, Idempotency_Key=new_key())
    revive()
    apart.finish_orders()
    assert apart.states() == ["cancelled" if call == "release" else "placed"]
    assert apart.catalog.stock(product) == (5 if call == "release" else 3)
    apart.require_agreement()


@pytest.mark.parametrize(("call", "moment"), POINTS)
def test_an_owner_that_is_killed_around_any_call_leaves_the_order_to_be_finished_later(
    apart: Apart, monkeypatch: pytest.MonkeyPatch, call: str, moment: str
) -> None:
    buyer, key = apart.front.person(), new_key()
    product = apart.offer(stock=5)
    buyer.put_in_cart(product, 2)
    if call == "release":
        placed = buyer.check_out().get_json()["id"]
    remote = apart.front.app.extensions["remote_stock"]
    real = getattr(remote, call)

    def killed(*arguments: object) -> object:
        # "After": the owner has done it, but its answer never arrives, and the repetition finds nobody.
        if moment == "after":
            real(*arguments)
        if apart.server.process and apart.server.process.poll() is None:
            apart.server.end(signal.SIGKILL)
        return real(*arguments)

    monkeypatch.setattr(remote, call, killed)
    if call == "release":
        answer = buyer.post(f"{ORDERS}/{placed}/cancel")
        assert (answer.status_code, answer.get_json()["state"]) == (202, "cancelling")
    elif call == "reserve":
        answer = buyer.check_out(key)
        assert problem(answer) == (503, "temporarily-unavailable")
        assert answer.headers["Retry-After"]
        assert problem(buyer.check_out(key)) == (409, "checkout-in-progress")
    else:
        assert buyer.check_out(key).get_json()["state"] == "placed"
    monkeypatch.setattr(remote, call, real)
    apart.server.start()
    apart.finish_orders()
    assert apart.states() == ["cancelled" if call == "release" else "placed"]
    assert apart.catalog.stock(product) == (5 if call == "release" else 3)
    apart.require_agreement()


def test_two_processes_that_finish_the_same_orders_do_each_once(apart: Apart, monkeypatch: pytest.MonkeyPatch) -> None:
    product = apart.offer(stock=50)
    revive = dying(apart, monkeypatch, "reserve", "before")
    for _ in range(6):
        buyer = apart.front.person()
        buyer.put_in_cart(product, 2)
        with pytest.raises(Died):
            buyer.check_out()
    revive()
    apart.front.query("update orders set retry_at = now()")
    with ThreadPoolExecutor(3) as threads:
        finished = threads.map(lambda _: jobs.finish_orders(apart.front.app), range(3))
        assert sum(finished) == 6
    assert apart.catalog.stock(product) == 38
    apart.require_agreement()


def test_while_both_processes_are_killed_again_and_again_no_unit_is_lost_or_sold_twice(
    apart: Apart, tmp_path: Path
) -> None:
    """Real processes on both sides, and the background process as the last one standing."""
    environment = {"FIG_INTERNAL_URL": apart.server.url}
    front = elsewhere.server(apart.front, tmp_path / "front.log", **environment)
    background = Program(apart.front, ["legacy_monolith.jobs"], tmp_path / "jobs.log", environment)
    products = [apart.offer(stock=200) for _ in range(3)]
    front.start()
    background.start()
    ended = threading.Event()
    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(shop_until, ended, front.url, products, n) for n in range(4)]
        for killed in (apart.server, front, apart.server, background, front):
            wait_for_more_orders(apart)
            killed.end(signal.SIGKILL)
            killed.start()
        ended.set()
        assert sum(shopper.result() for shopper in work) > 0

    def all_done() -> bool:
        return not apart.front.query("select 1 from orders where retry_at is not null")

    wait_until(all_done, 60, f"every order is finished; log: {background.log}")
    assert background.end(signal.SIGTERM) == 0
    front.end(signal.SIGTERM)
    assert {"placed", "cancelled"} <= set(apart.states())
    apart.require_agreement()


def wait_for_more_orders(apart: Apart) -> None:
    before = len(apart.states())
    wait_until(lambda: len(apart.states()) > before + 5, 60, "orders go on")


def shop_until(ended: threading.Event, url: str, products: list[int], number: int) -> int:
    """Somebody who buys and cancels; how many orders were acknowledged."""
    client, acknowledged = Client(url), 0
    person = {"email": f"n{number}@example.test", "password": "a password", "name": "N", "role": "buyer"}
    assert client.post("/api/users/signup", person).status == 201
    client.csrf_token = client.get("/api/users/csrf").json()["csrf_token"]
    while not ended.is_set():
        product = products[acknowledged % len(products)]
        client.request("PUT", f"/api/payments/cart/items/{product}", {"quantity": 1 + number % 2})
        answer = client.post("/api/payments/checkout", headers={"Idempotency-Key": new_key()})
        if answer.status == 201:
            acknowledged += 1
            if acknowledged % 2:
                client.post(f"{ORDERS}/{answer.json()['id']}/cancel")
    client.close()
    return acknowledged
