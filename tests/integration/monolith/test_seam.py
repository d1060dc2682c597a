"""Checkout and cancel where the catalog is owned elsewhere, whatever dies, and whenever."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from legacy_monolith import jobs
from tests.integration.monolith import elsewhere
from tests.integration.monolith.elsewhere import Program, Server
from tests.integration.monolith.shop import PRODUCTS, Person, Shop, new_key
from tests.support.clients import Client
from tests.support.waiting import wait_until

ORDERS = "/api/payments/orders"


class Died(BaseException):
    """The process ends here; nothing of the application gets to react."""


@dataclass
class Apart:
    """The shop's front, whose catalog is owned elsewhere, and the shop that owns it."""

    front: Shop
    catalog: Shop
    server: Server
    seller: Person

    def offer(self, **fields: object) -> int:
        product = self.seller.offer(**fields)["id"]
        elsewhere.copy_product(self.catalog, self.front, product)
        return product

    def finish_orders(self) -> None:
        """The background process, once nobody works on the orders any more."""
        self.front.query("update orders set retry_at = now() where retry_at is not null")
        jobs.finish_orders(self.front.app)

    def states(self) -> list[str]:
        return [state for (state,) in self.front.query("select state from orders order by id")]

    def require_agreement(self) -> None:
        self.catalog.require_books_to_balance()
        assert elsewhere.disagreements(self.front, self.catalog) == []
        assert self.front.query("select 1 from orders where retry_at is not null") == []


@pytest.fixture(scope="module")
def catalog_server(new_shop: Callable[..., Shop], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = elsewhere.server(new_shop(), tmp_path_factory.mktemp("catalog") / "log")
    server.start()
    yield server
    server.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def front(new_shop: Callable[..., Shop], catalog_server: Server) -> Shop:
    shop = new_shop(INTERNAL_URL=catalog_server.url, SEAM_PATIENCE_SECONDS=0.5)
    elsewhere.move_catalog_away(shop)
    return shop


@pytest.fixture
def apart(front: Shop, catalog_server: Server) -> Apart:
    catalog = catalog_server.shop
    front.clear()
    catalog.clear()
    elsewhere.own_catalog(front, False)
    catalog_server.require_running()
    # The same seller is known on both sides, as if users had never been apart.
    seller = catalog.seller()
    front.seller()
    return Apart(front, catalog, catalog_server, seller)


def problem(answer) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["type"].removeprefix("/problems/")


def test_checkout_and_cancel_reach_the_owner_of_the_catalog(apart: Apart) -> None:
    buyer, key = apart.front.person(), new_key()
    product = apart.offer(stock=5, price="2.50")
    buyer.put_in_cart(product, 2)
    apart.seller.send("PATCH", f"{PRODUCTS}/{product}", {"title": "Newer", "price": "3"})
    placed = buyer.check_out(key)
    order = placed.get_json()
    assert (placed.status_code, order["state"], order["total"]) == (201, "placed", "6.00")
    assert order["lines"][0]["title"] == "Newer"
    assert apart.catalog.stock(product) == 3
    assert apart.front.stock(product) == 5  # The copy is the stream's business.
    assert buyer.check_out(key).get_json() == order
    cancelled = buyer.post(f"{ORDERS}/{order['id']}/cancel")
    assert (cancelled.status_code, cancelled.get_json()["state"]) == (200, "cancelled")
    assert apart.catalog.stock(product) == 5
    apart.require_agreement()


def test_a_refusal_of_the_owner_is_the_shops_and_the_cart_is_as_before(apart: Apart) -> None:
    buyer, key = apart.front.person(), new_key()
    product, scarce = apart.offer(stock=5), apart.offer(stock=1)
    buyer.put_in_cart(product, 2)
    buyer.put_in_cart(scarce, 3)
    refused = buyer.check_out(key)
    assert problem(refused) == (409, "out-of-stock")
    assert refused.get_json()["product_id"] == scarce
    assert buyer.check_out(key).get_json() == refused.get_json()
    assert buyer.cart() == {product: 2, scarce: 3}
    assert apart.states() == ["failed"]
    apart.require_agreement()


def test_the_copy_of_the_catalog_refuses_writes_and_the_seam_goes_round_it(apart: Apart) -> None:
    """Ownership is read before the fence is met: a switch in between is what the fence is for."""
    buyer = apart.front.person()
    product = apart.offer(stock=5)
    buyer.put_in_cart(product, 2)
    apart.front.query("update fig.domain set state = 'owner'")  # Believed local, but the fence is up.
    assert buyer.check_out().status_code == 201
    assert apart.catalog.stock(product) == 3
    assert apart.front.query("select count(*) from stock_reservations") == [(0,)]
    apart.require_agreement()


def test_a_product_that_is_on_its_way_is_waited_for_and_one_that_never_comes_is_503(apart: Apart) -> None:
    buyer = apart.front.person()
    product = apart.seller.offer()["id"]
    late = threading.Thread(target=elsewhere.copy_product, args=(apart.catalog, apart.front, product))
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(buyer.put_in_cart, product)
        late.start()
        assert waiting.result().status_code == 200
    late.join()
    missing = apart.front.person().put_in_cart(999_999)
    assert problem(missing) == (503, "temporarily-unavailable")
    assert missing.headers["Retry-After"]


# Where the process of the front may die: before and after each call, each call being known to the owner or not.
POINTS = [(call, moment) for call in ("reserve", "confirm", "release") for moment in ("before", "after")]


def dying(apart: Apart, monkeypatch: pytest.MonkeyPatch, call: str, moment: str) -> Callable[[], None]:
    """Make the front die once around `call`; returns what brings it back to life."""
    remote = apart.front.app.extensions["remote_stock"]
    real = getattr(remote, call)

    def dies(*arguments: object) -> None:
        if moment == "after":
            real(*arguments)
        raise Died

    monkeypatch.setattr(remote, call, dies)
    return lambda: monkeypatch.setattr(remote, call, real)


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


def test_a_checkout_that_nobody_could_finish_in_time_is_given_up_and_its_cart_comes_back(
    apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer, key = apart.front.person(), new_key()
    product = apart.offer(stock=5)
    buyer.put_in_cart(product, 2)
    revive = dying(apart, monkeypatch, "reserve", "after")
    with pytest.raises(Died):
        buyer.check_out(key)
    revive()
    assert (buyer.cart(), apart.catalog.stock(product)) == ({}, 3)
    apart.front.query("update orders set created_at = created_at - interval '1 hour'")
    apart.finish_orders()
    assert problem(buyer.check_out(key)) == (409, "checkout-expired")
    assert (buyer.cart(), apart.catalog.stock(product)) == ({product: 2}, 5)
    apart.require_agreement()


def meanwhile(apart: Apart, monkeypatch: pytest.MonkeyPatch, call: str, event: Callable[[], object]) -> None:
    """Let something happen between the answer to `call` and what the caller does with it, or just before `call`."""
    remote = apart.front.app.extensions["remote_stock"]
    real = getattr(remote, call)

    def interrupted(*arguments: object) -> object:
        monkeypatch.setattr(remote, call, real)
        if call == "confirm":
            event()
        answer = real(*arguments)
        if call == "reserve":
            event()
        return answer

    monkeypatch.setattr(remote, call, interrupted)


def in_another_process(event: Callable[[], object]) -> None:
    """With a database session of its own."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(event).result()


def test_a_checkout_that_comes_back_late_finds_that_it_was_given_up(
    apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer = apart.front.person()
    product = apart.offer(stock=5)
    buyer.put_in_cart(product, 2)

    def give_up() -> None:
        apart.front.query("update orders set created_at = created_at - interval '1 hour'")
        in_another_process(apart.finish_orders)

    meanwhile(apart, monkeypatch, "reserve", give_up)
    assert problem(buyer.check_out()) == (409, "checkout-expired")
    assert apart.states() == ["failed"]
    assert (buyer.cart(), apart.catalog.stock(product)) == ({product: 2}, 5)
    apart.require_agreement()


def test_an_order_that_is_cancelled_before_it_is_confirmed_stays_cancelled(
    apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer = apart.front.person()
    product = apart.offer(stock=5)
    buyer.put_in_cart(product, 2)
    impatient = apart.front.same_person(buyer)

    def cancel() -> None:
        order = impatient.get(ORDERS).get_json()["items"][0]["id"]
        assert impatient.post(f"{ORDERS}/{order}/cancel").get_json()["state"] == "cancelled"

    meanwhile(apart, monkeypatch, "confirm", lambda: in_another_process(cancel))
    assert buyer.check_out().get_json()["state"] == "cancelled"
    assert apart.catalog.stock(product) == 5
    apart.require_agreement()


def test_an_order_begun_on_one_side_of_a_switch_is_finished_on_the_other(
    apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer = apart.front.person()
    product = apart.offer(stock=5)
    buyer.put_in_cart(product, 2)
    revive = dying(apart, monkeypatch, "reserve", "before")
    with pytest.raises(Died):
        buyer.check_out()
    revive()
    elsewhere.own_catalog(apart.front, True)
    apart.finish_orders()
    assert apart.states() == ["placed"]
    assert (apart.front.stock(product), apart.catalog.stock(product)) == (3, 5)
    assert elsewhere.disagreements(apart.front, apart.front) == []


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
            placed = len(apart.states())
            wait_until(lambda placed=placed: len(apart.states()) > placed + 5, 60, "orders go on")
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
