"""Checkout, payment, cancel and expiry: one intent for each order, and stock that follows it, on both sides."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.payments.sides import CHECKOUT, INTENTS, ORDERS, PRODUCTS, Side, new_key, problem
from tests.doubles.faults import Kind
from tests.support.waiting import wait_until

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_an_order_has_exactly_these_members(side: Side) -> None:
    bought = side.order()
    order = bought.answer.json()
    assert bought.answer.headers["location"] == bought.path
    for at in (order.pop("created_at"), order.pop("updated_at"), order["payment"].pop("expires_at")):
        assert MOMENT.fullmatch(at)
    assert order.pop("payment") == {
        "state": "unpaid", "amount": "24.68", "refunded": "0.00", "refunds": [],
        "client_secret": bought.answer.json()["payment"]["client_secret"],
    }  # fmt: skip
    line = {
        "product_id": bought.product,
        "title": "Chair",
        "current_title": "Chair",
        "quantity": 2,
        "unit_price": "12.34",
    }
    assert order == {
        "id": bought.id, "key": bought.key, "state": "placed", "total": "24.68", "currency": "EUR", "lines": [line],
    }  # fmt: skip
    assert (bought.buyer.cart(), bought.stock()) == ({}, 3)


def test_only_its_buyer_is_told_the_secret_and_only_at_checkout_while_it_is_unpaid(side: Side) -> None:
    bought = side.order()
    secret = bought.answer.json()["payment"]["client_secret"]
    again = bought.check_out()
    assert (again.status, again.json()["payment"]["client_secret"]) == (200, secret)
    assert secret not in bought.buyer.get(bought.path).body.decode() + bought.buyer.get(ORDERS).body.decode()
    assert problem(side.person().check_out(bought.key)) == (409, "request-key-reused")
    bought.pay()
    bought.hear_all()
    assert "client_secret" not in bought.check_out().json()["payment"]


def test_lines_keep_title_and_price_of_the_sale_and_show_the_present_title(side: Side) -> None:
    bought = side.order()
    bought.seller.monolith.request("PATCH", f"{PRODUCTS}/{bought.product}", {"title": "Stool", "price": "1"})
    [line] = bought.shown()["lines"]
    assert (line["title"], line["current_title"], line["unit_price"]) == ("Chair", "Stool", "12.34")


def test_both_ask_stripe_the_same_under_the_same_key(both: dict[str, Side]) -> None:
    """Whichever side repeats a request, it is the same request."""
    asked = []
    for side in both.values():
        bought = side.order()
        request = next(
            one
            for one in side.control.received("POST", INTENTS)
            if one["headers"]["Idempotency-Key"] == f"order-{bought.id}-1"
        )
        named = re.compile(rf"\b{bought.id}\b")
        asked.append({name: named.sub("ID", value) for name, value in request["parameters"].items()})
    assert asked[0] == asked[1]
    assert asked[0]["metadata[order]"] == "ID"


def test_a_checkout_that_is_refused_stays_refused_and_gives_the_cart_back(side: Side) -> None:
    bought = side.cart(stock=1)
    for _ in range(2):
        answer = bought.check_out()
        assert problem(answer) == (409, "out-of-stock")
        assert (answer.json()["product_id"], answer.json()["stock"]) == (bought.product, 1)
    assert bought.buyer.cart() == {bought.product: 2}
    [failed] = bought.buyer.get(ORDERS).json()["items"]
    assert (failed["state"], failed["payment"], failed["total"]) == ("failed", None, "0.00")
    assert problem(bought.buyer.post(f"{ORDERS}/{failed['id']}/cancel")) == (409, "order-failed")


def test_what_no_card_can_pay_is_not_ordered_and_what_costs_nothing_is_not_paid(side: Side) -> None:
    bought = side.cart(price="0.24")
    assert problem(bought.check_out()) == (409, "amount-not-payable")
    assert bought.stock() == 5
    free = side.order(price="0.00")
    assert free.answer.json()["payment"] is None
    assert free.cancel().json()["state"] == "cancelled"


def test_a_checkout_needs_somebody_a_key_and_a_cart(side: Side) -> None:
    buyer = side.person()
    assert problem(side.visitor().post(CHECKOUT, headers={"Idempotency-Key": new_key()})) == (401, "not-authenticated")
    for key in ("x", new_key().replace("-", "")):
        answer = buyer.check_out(key)
        assert (problem(answer), answer.json()["errors"][0]["field"]) == ((422, "invalid-fields"), "Idempotency-Key")
    assert problem(buyer.check_out()) == (409, "cart-empty")


def test_many_at_once_under_one_key_make_one_order(side: Side) -> None:
    bought = side.cart()
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: bought.buyer.check_out(bought.key), range(6)))
    placed = [answer.json() for answer in answers if answer.status in (200, 201)]
    assert {answer.status for answer in answers} <= {200, 201, 409, 503}
    assert len({(one["id"], one["payment"]["client_secret"]) for one in placed}) == 1
    assert bought.stock() == 3


def test_an_answer_of_stripes_that_stays_lost_is_found_by_the_same_key(side: Side) -> None:
    bought = side.cart()
    before = len(side.control.intents())
    side.control.fail(Kind.LOST, times=3, method="POST", path=INTENTS)
    assert problem(bought.check_out()) == (503, "temporarily-unavailable")
    assert bought.check_out().status == 200
    assert len(side.control.intents()) == before + 1
    bought.pay()
    bought.hear_all()
    assert (bought.states(), bought.charged()) == (("placed", "paid"), 2468)


def test_who_cancels_before_paying_can_pay_no_more(side: Side) -> None:
    bought = side.order()
    cancelled = bought.cancel()
    assert (cancelled.status, cancelled.json()["state"]) == (200, "cancelled")
    assert (cancelled.json()["payment"]["state"], bought.stock()) == ("cancelled", 5)
    assert bought.cancel().status == 200
    bought.hear_all()
    assert bought.states() == ("cancelled", "cancelled")


def test_who_cancels_after_paying_gets_all_of_it_back_once(side: Side) -> None:
    bought = side.paid_order()
    bought.cancel()
    side.query(f"update {side.names.refund} set {side.names.due} = now() where {side.names.due} is not null")
    bought.wait_for("cancelled", "refunded")
    bought.cancel()
    bought.hear_all()
    assert (bought.states(), bought.charged(), bought.stock()) == (("cancelled", "refunded"), 0, 5)


def test_a_payment_that_won_against_a_cancel_is_refunded(side: Side) -> None:
    bought = side.order()
    bought.pay()
    bought.cancel()
    side.query(f"update {side.names.refund} set {side.names.due} = now() where {side.names.due} is not null")
    bought.wait_for("cancelled", "refunded")
    assert (bought.charged(), bought.stock()) == (0, 5)


def test_what_is_not_paid_in_time_is_released(side: Side) -> None:
    bought = side.order()
    bought.make_due("expires_at = now()")
    bought.wait_for("cancelled", "cancelled")
    wait_until(lambda: bought.stock() == 5, 10, "the stock is back")
    again = bought.check_out()
    assert (again.status, again.json()["state"]) == (200, "cancelled")


def test_a_payment_that_won_against_the_clock_is_honoured(side: Side) -> None:
    bought = side.order()
    bought.pay()
    bought.make_due("expires_at = now()")
    bought.wait_for("placed", "paid")
    assert (bought.charged(), bought.stock()) == (2468, 3)


def test_a_payment_of_which_no_event_comes_is_asked_about(side: Side) -> None:
    bought = side.order()
    bought.pay()
    bought.make_due()
    bought.wait_for("placed", "paid")


def test_an_order_is_its_buyers(side: Side) -> None:
    bought = side.order()
    other = side.person()
    assert problem(other.get(bought.path)) == (404, "not-found")
    assert problem(other.post(f"{bought.path}/cancel")) == (404, "not-found")
    assert problem(side.visitor().get(ORDERS)) == (401, "not-authenticated")
    assert other.get(ORDERS).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_orders_come_in_pages_the_newest_first(side: Side, limit: int) -> None:
    bought = side.order()
    for _ in range(2):
        bought.buyer.put_in_cart(bought.product, 1)
        bought.buyer.check_out()
    seen, path = [], f"{ORDERS}?limit={limit}"
    while path:
        page = bought.buyer.get(path).json()
        assert len(page["items"]) <= limit
        seen += [one["id"] for one in page["items"]]
        path = f"{ORDERS}?limit={limit}&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 3


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "cursor=x", "cursor=", "limit=1&limit=2", "page=1"])
def test_a_query_that_is_not_understood_is_refused(side: Side, query: str) -> None:
    assert problem(side.person().get(f"{ORDERS}?{query}")) == (422, "invalid-fields")
