"""Money goes back: in parts, once for each key, never more than was paid; and what a seller sees of it all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.doubles.faults import Kind
from tests.integration.monolith.shop import new_key, problem
from tests.integration.monolith.tills import Till

SALES = "/api/payments/sales"


def test_a_part_goes_back_and_then_the_rest(till: Till) -> None:
    bought = till.paid_order()
    part = bought.refund("4.68")
    assert (part.status_code, part.get_json()["state"]) == (201, "made")
    assert bought.states() == ("placed", "partly_refunded")
    assert bought.refund("20").status_code == 201
    till.hear_all()
    payment = bought.shown()["payment"]
    assert (payment["state"], payment["refunded"]) == ("refunded", "24.68")
    assert [refund["amount"] for refund in payment["refunds"]] == ["4.68", "20.00"]
    assert till.charged() == 0
    till.require_agreement()


def test_more_than_was_paid_is_refused(till: Till) -> None:
    bought = till.paid_order()
    assert bought.refund("4.68").status_code == 201
    refused = bought.refund("20.01")
    assert problem(refused) == (409, "refund-too-large")
    assert refused.get_json()["left"] == "20.00"
    assert problem(bought.refund("0")) == (422, "invalid-fields")
    assert problem(bought.refund("-1")) == (422, "invalid-fields")
    assert till.charged() == 2000


def test_many_at_once_give_back_no_more_than_was_paid(till: Till) -> None:
    bought = till.paid_order()
    sellers = [till.shop.same_person(bought.seller) for _ in range(6)]

    def refund(number: int) -> int:
        path, body = f"{bought.path}/refunds", {"amount": "10.00"}
        return sellers[number].post(path, body, Idempotency_Key=new_key()).status_code

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(refund, range(6))) == [201, 201, 409, 409, 409, 409]
    assert till.charged() == 468
    till.require_agreement()


def test_the_same_key_gives_back_once(till: Till) -> None:
    bought, key = till.paid_order(), new_key()
    assert [bought.refund("5", key).status_code for _ in range(3)] == [201, 200, 200]
    assert problem(bought.refund("6", key)) == (409, "request-key-reused")
    assert till.charged() == 1968


@pytest.mark.parametrize("kind", [Kind.DROP, Kind.LOST, Kind.ERROR])
def test_a_refund_whose_answer_was_lost_is_made_once(till: Till, kind: Kind) -> None:
    bought, key = till.paid_order(), new_key()
    till.control.fail(kind, times=3, method="POST", path="/v1/refunds")
    asked = bought.refund("5", key)
    assert (asked.status_code, asked.get_json()["state"]) == (202, "intended")
    till.control.heal()
    till.run_jobs()
    assert bought.refund("5", key).get_json()["state"] == "made"
    till.hear_all()
    assert till.charged() == 1968
    till.require_agreement()


def test_what_is_given_back_at_stripe_itself_is_known_here(till: Till) -> None:
    bought = till.paid_order()
    till.stripe.v1.refunds.create({"payment_intent": bought.intent, "amount": 2000})
    till.hear_all()
    assert bought.states() == ("placed", "partly_refunded")
    assert problem(bought.refund("4.69")) == (409, "refund-too-large")
    assert bought.refund("4.68").status_code == 201
    till.require_agreement()


def test_a_refund_that_stripe_refuses_is_shown_to_the_buyer(till: Till) -> None:
    bought = till.paid_order()
    # Given back past the shop, which has not heard of it.
    till.stripe.v1.refunds.create({"payment_intent": bought.intent})
    refused = bought.refund("5").get_json()
    assert (refused["state"], refused["reason"]) == ("refused", "charge_already_refunded")
    [shown] = bought.shown()["payment"]["refunds"]
    assert shown == refused
    till.hear_all()
    assert bought.states() == ("placed", "refunded")
    till.require_agreement()


def test_what_is_not_paid_or_not_ones_own_is_not_given_back(till: Till) -> None:
    bought = till.order()
    assert problem(bought.refund("1")) == (409, "order-not-paid")
    path, body = f"{bought.path}/refunds", {"amount": "1"}
    assert problem(till.shop.seller().post(path, body, Idempotency_Key=new_key())) == (404, "not-found")
    assert problem(bought.buyer.post(path, body, Idempotency_Key=new_key())) == (403, "role-required")


def test_a_seller_gives_back_no_more_than_their_own_lines(till: Till) -> None:
    bought = till.buyer_with_cart()
    other = till.shop.seller()
    bought.buyer.put_in_cart(other.offer(price="3.00")["id"], 1)
    till.check_out(bought)
    till.pay(bought)
    till.hear_all()
    refused = other.post(f"{bought.path}/refunds", {"amount": "3.01"}, Idempotency_Key=new_key())
    assert (problem(refused), refused.get_json()["left"]) == ((409, "refund-too-large"), "3.00")
    assert bought.refund("24.68").status_code == 201
    assert till.charged() == 300


def test_a_seller_sees_sales_in_pages(till: Till) -> None:
    bought = till.paid_order()
    for _ in range(4):
        bought.buyer.put_in_cart(bought.product, 1)
        # The last of them finds nothing in stock any more, and is no sale.
        bought.buyer.check_out()
    seen, cursor = [], None
    while True:
        page = bought.seller.get(
            SALES, query_string={"limit": "2", **({"cursor": cursor} if cursor else {})}
        ).get_json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [(one["quantity"], one["total"], one["payment_state"]) for one in seen] == [
        (1, "12.34", "unpaid"), (1, "12.34", "unpaid"), (1, "12.34", "unpaid"), (2, "24.68", "paid"),
    ]  # fmt: skip
    assert till.shop.seller().get(SALES).get_json() == {"items": [], "next_cursor": None}
    assert problem(bought.buyer.get(SALES)) == (403, "role-required")
    assert problem(bought.seller.get(SALES, query_string={"cursor": "x"})) == (422, "invalid-fields")
