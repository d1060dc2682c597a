"""Refunds, sales and Stripe's word: never more back than was paid, each once, and only what is signed counts."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.payments.sides import SALES, SECRET, WEBHOOKS, Side, new_key, problem
from tests.doubles.faults import Kind
from tests.doubles.stripe.events import signature
from tests.support.waiting import wait_until


def test_a_part_goes_back_and_then_the_rest(side: Side) -> None:
    bought = side.paid_order()
    part = bought.refund("4.68")
    made = part.json()
    assert part.status == 201
    assert set(made) == {"id", "amount", "state", "reason", "created_at"}
    assert (made["amount"], made["state"], made["reason"]) == ("4.68", "made", None)
    assert bought.states() == ("placed", "partly_refunded")
    assert bought.refund("20").status == 201
    bought.hear_all()
    payment = bought.shown()["payment"]
    assert (payment["state"], payment["refunded"], payment["refunds"][0]) == ("refunded", "24.68", made)
    assert bought.charged() == 0


def test_more_than_is_left_is_refused_also_to_many_at_once(side: Side) -> None:
    bought = side.paid_order()
    refused = bought.refund("24.69")
    assert (problem(refused), refused.json()["left"]) == ((409, "refund-too-large"), "24.68")
    for amount in ("0", "-1", "x", "1.234"):
        assert problem(bought.refund(amount)) == (422, "invalid-fields")
    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(lambda _: bought.refund("10.00").status, range(5)))
    assert sorted(answers, key=str) == [201, 201, 409, 409, 409]
    assert bought.charged() == 468


def test_the_same_key_gives_back_once(side: Side) -> None:
    bought, key = side.paid_order(), new_key()
    assert [bought.refund("5", key).status for _ in range(2)] == [201, 200]
    assert problem(bought.refund("6", key)) == (409, "request-key-reused")
    assert bought.charged() == 1968


def test_a_refund_whose_answer_was_lost_is_made_once(side: Side) -> None:
    bought, key = side.paid_order(), new_key()
    side.control.fail(Kind.LOST, times=3, method="POST", path="/v1/refunds")
    asked = bought.refund("5", key)
    assert (asked.status, asked.json()["state"]) == (202, "intended")
    side.query(f"update {side.names.refund} set {side.names.due} = now() where id = {asked.json()['id']}")
    wait_until(lambda: bought.shown()["payment"]["refunds"][0]["state"] == "made", 20, "the refund is known")
    assert (bought.refund("5", key).status, bought.charged()) == (200, 1968)


def test_a_refund_that_stripe_refuses_is_shown(side: Side) -> None:
    bought = side.paid_order()
    side.stripe.v1.refunds.create({"payment_intent": bought.intent})
    refused = bought.refund("5").json()
    assert (refused["state"], refused["reason"]) == ("refused", "charge_already_refunded")
    assert bought.shown()["payment"]["refunds"] == [refused]
    bought.hear_all()
    assert bought.states() == ("placed", "refunded")


def test_who_may_give_back_what(side: Side) -> None:
    bought = side.order()
    assert problem(bought.refund("1")) == (409, "order-not-paid")
    path, body = f"{bought.path}/refunds", {"amount": "1"}
    assert problem(side.seller().post(path, body, Idempotency_Key=new_key())) == (404, "not-found")
    assert problem(bought.buyer.post(path, body, Idempotency_Key=new_key())) == (403, "role-required")
    assert problem(bought.seller.post(path, body)) == (422, "invalid-fields")


def test_a_seller_gives_back_no_more_than_their_own_lines_and_sees_their_own_sales(side: Side) -> None:
    bought, other = side.cart(), side.seller()
    bought.buyer.put_in_cart(other.offer(title="Lamp", price="3.00"), 1)
    bought.check_out()
    bought.pay()
    bought.hear_all()
    refused = other.post(f"{bought.path}/refunds", {"amount": "3.01"}, Idempotency_Key=new_key())
    assert (problem(refused), refused.json()["left"]) == ((409, "refund-too-large"), "3.00")
    assert bought.refund("24.68").status == 201
    [sale] = other.get(SALES).json()["items"]
    assert sale.pop("created_at") == bought.answer.json()["created_at"]
    assert sale == {
        "order_id": bought.id, "product_id": sale["product_id"], "title": "Lamp", "quantity": 1, "unit_price": "3.00",
        "total": "3.00", "currency": "EUR", "order_state": "placed", "payment_state": "partly_refunded",
    }  # fmt: skip
    assert problem(bought.buyer.get(SALES)) == (403, "role-required")


def test_sales_come_in_pages(side: Side) -> None:
    bought = side.order()
    bought.buyer.put_in_cart(bought.seller.offer(), 1)
    bought.buyer.put_in_cart(bought.seller.offer(), 1)
    bought.buyer.check_out()
    seen, path = [], f"{SALES}?limit=2"
    while path:
        page = bought.seller.get(path).json()
        seen += [(one["order_id"], one["product_id"]) for one in page["items"]]
        path = f"{SALES}?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert len(seen) == 3
    assert seen == sorted(seen, reverse=True)
    assert problem(bought.seller.get(f"{SALES}?cursor=x")) == (422, "invalid-fields")


def test_a_forged_or_old_or_unsigned_event_is_refused(side: Side) -> None:
    bought = side.order()
    bought.pay()
    [event] = bought.events("payment_intent.succeeded")
    for answer in (
        side.hear(event, secret="whsec_of_somebody_else"),
        side.hear(event, age=301),
        side.visitor().post(WEBHOOKS, event),
        side.visitor().post(WEBHOOKS, event, {"Stripe-Signature": "t=1,v1=0"}),
    ):
        assert problem(answer) == (400, "signature-invalid")
    assert bought.states() == ("placed", "unpaid")
    assert side.hear(event, age=290).status == 204
    assert bought.states() == ("placed", "paid")


def test_a_session_without_a_csrf_token_makes_no_difference_to_an_event(side: Side) -> None:
    bought = side.order()
    bought.pay()
    [event] = bought.events("payment_intent.succeeded")
    browser = replace(bought.buyer.payments, csrf_token="", _connection=None)
    assert problem(browser.post(WEBHOOKS, event)) == (400, "signature-invalid")
    payload = json.dumps(event)
    headers = {"Stripe-Signature": signature(payload, SECRET, int(time.time()))}
    assert browser.request("POST", WEBHOOKS, payload.encode(), headers).status == 204


@pytest.mark.parametrize("content", [{"type": "ping"}, {"type": "ping", "data": None}, [1], "event", None])
def test_what_is_signed_and_no_event_is_refused(side: Side, content: Any) -> None:
    assert problem(side.hear(content)) == (400, "malformed-request")


def test_events_doubled_late_in_any_order_and_at_once_have_one_effect(side: Side) -> None:
    bought = side.order()
    bought.pay()
    side.stripe.v1.refunds.create({"payment_intent": bought.intent, "amount": 468})
    events = bought.events()
    with ThreadPoolExecutor(5) as threads:
        statuses = list(threads.map(lambda event: side.hear(event).status, [*events, *events][::-1]))
    # One that had to wait too long for another is sent again.
    assert set(statuses) <= {204, 503}
    bought.hear_all()
    assert bought.states() == ("placed", "partly_refunded")
    assert bought.shown()["payment"]["refunded"] == "4.68"
    assert len(bought.shown()["payment"]["refunds"]) == 1


def test_an_event_may_overtake_the_answer(side: Side) -> None:
    bought = side.order()
    bought.pay()
    # As when the process died before it wrote down what Stripe had answered.
    side.query(f"update {side.names.payment} set intent = null where intent = '{bought.intent}'")
    bought.hear_all()
    assert bought.states() == ("placed", "paid")


def test_events_of_other_peoples_intents_are_taken_and_ignored(side: Side) -> None:
    side.stripe.v1.payment_intents.create(
        {"amount": 700, "currency": "eur", "payment_method": "pm_card_visa", "metadata": {"order": "99999999"}}
    )
    assert side.hear(side.control.events()[-1]).status == 204
