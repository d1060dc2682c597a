"""Checkout and cancel where the catalog is owned elsewhere."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.monolith import elsewhere
from tests.integration.monolith.elsewhere import Apart, Died, dying, in_another_process, meanwhile
from tests.integration.monolith.shop import ORDERS, PRODUCTS, new_key, problem


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


def test_a_product_that_is_on_its_way_is_waited_for_and_only_one_that_nobody_has_is_not_found(apart: Apart) -> None:
    buyer = apart.front.person()
    product = apart.seller.offer()["id"]
    late = threading.Thread(target=elsewhere.copy_product, args=(apart.catalog, apart.front, product))
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(buyer.put_in_cart, product)
        late.start()
        assert waiting.result().status_code == 200
    late.join()
    late_for_good = apart.front.person().put_in_cart(apart.seller.offer()["id"])
    assert problem(late_for_good) == (503, "temporarily-unavailable")
    assert late_for_good.headers["Retry-After"]
    assert problem(apart.front.person().put_in_cart(999_999)) == (404, "not-found")


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
