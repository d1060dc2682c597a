"""Stripe's word: only when it is signed, once, and in any order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.doubles.faults import Kind
from tests.integration.monolith.shop import problem
from tests.integration.monolith.tills import WEBHOOKS, Bought, Till


def paid_but_not_told(till: Till) -> tuple[Bought, dict[str, Any]]:
    bought = till.order()
    till.pay(bought)
    return bought, till.events("payment_intent.succeeded")[0]


def test_a_forged_or_old_or_unsigned_event_is_refused(till: Till) -> None:
    bought, event = paid_but_not_told(till)
    for answer in (
        till.hear(event, secret="whsec_of_somebody_else"),
        till.hear(event, age=301),
        till.shop.visitor().post(WEBHOOKS, event),
        till.shop.visitor().post(WEBHOOKS, event, Stripe_Signature="t=1,v1=0"),
    ):
        assert problem(answer) == (400, "signature-invalid")
    assert bought.states() == ("placed", "unpaid")
    assert till.shop.query("select 1 from stripe_events") == []
    # Nearly too old is not too old.
    assert till.hear(event, age=290).status_code == 204
    assert bought.states() == ("placed", "paid")


@pytest.mark.parametrize("content", [{"type": "ping"}, {"type": "ping", "data": None}, [1], "event", None])
def test_what_is_signed_and_no_event_is_refused(till: Till, content: Any) -> None:
    assert problem(till.hear(content)) == (400, "malformed-request")


def test_an_event_that_comes_again_has_no_second_effect(till: Till) -> None:
    bought, event = paid_but_not_told(till)
    for _ in range(3):
        assert till.hear(event).status_code == 204
    assert till.shop.query("select id, order_id, type from stripe_events") == [
        (event["id"], bought.id, "payment_intent.succeeded")
    ]
    assert bought.refund("24.68").status_code == 201
    till.hear(event)
    assert bought.states() == ("placed", "refunded")


def test_the_same_event_several_times_at_once_is_taken_once(till: Till) -> None:
    bought, event = paid_but_not_told(till)
    with ThreadPoolExecutor(6) as threads:
        assert {answer.status_code for answer in threads.map(lambda _: till.hear(event), range(6))} == {204}
    assert len(till.shop.query("select 1 from stripe_events")) == 1
    assert bought.states() == ("placed", "paid")


@pytest.mark.parametrize("turn", range(5))
def test_events_may_come_in_any_order(till: Till, turn: int) -> None:
    bought, _ = paid_but_not_told(till)
    till.stripe.v1.refunds.create({"payment_intent": bought.intent, "amount": 468})
    events = till.events()
    assert len(events) == 5
    for event in (events[turn:] + events[:turn])[::-1]:
        assert till.hear(event).status_code == 204
    assert bought.states() == ("placed", "partly_refunded")
    assert bought.shown()["payment"]["refunded"] == "4.68"
    till.require_agreement()


def test_events_of_one_order_at_once_do_not_wait_for_each_other(till: Till) -> None:
    bought, _ = paid_but_not_told(till)
    till.stripe.v1.refunds.create({"payment_intent": bought.intent, "amount": 468})
    with ThreadPoolExecutor(5) as threads:
        assert {answer.status_code for answer in threads.map(till.hear, till.events())} == {204}
    assert bought.states() == ("placed", "partly_refunded")


def test_an_event_may_overtake_the_answer(till: Till) -> None:
    bought = till.order()
    till.pay(bought)
    # As when the process died before it wrote down what Stripe had answered.
    till.shop.query("update payments set intent = null")
    till.hear_all()
    assert bought.states() == ("placed", "paid")
    assert till.shop.query("select intent from payments") == [(bought.intent,)]
    assert "client_secret" not in till.check_out(bought).get_json()["payment"]


def test_a_late_event_of_a_cancelled_intent_changes_nothing(till: Till) -> None:
    bought = till.order()
    assert bought.cancel().get_json()["state"] == "cancelled"
    till.hear_all()
    assert bought.states() == ("cancelled", "cancelled")
    till.require_agreement()


def test_an_intent_that_is_cancelled_at_stripe_cancels_the_order(till: Till) -> None:
    bought = till.order()
    till.stripe.v1.payment_intents.cancel(bought.intent)
    till.hear_all()
    till.run_jobs()
    assert bought.states() == ("cancelled", "cancelled")
    till.require_agreement()


def test_events_of_other_peoples_intents_are_taken_and_ignored(till: Till) -> None:
    till.stripe.v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "eur",
            "metadata": {"order": "99"},
            "payment_method": "pm_card_visa",
            "confirm": True,
            "return_url": "https://shop.example/back",
        }
    )
    till.hear_all()
    assert till.shop.query("select order_id from stripe_events") == [(None,)]


def test_an_event_that_says_nothing_final_leaves_no_trace_and_asks_nobody(till: Till) -> None:
    till.order()
    asked = len(till.control.received(method="GET"))
    for event in till.events("payment_intent.created"):
        assert till.hear(event).status_code == 204
    assert till.shop.query("select 1 from stripe_events") == []
    assert len(till.control.received(method="GET")) == asked


def test_an_event_that_cannot_be_looked_up_now_comes_again(till: Till) -> None:
    bought = till.order()
    till.pay(bought)
    till.shop.query("update payments set intent = null")
    event = till.events("payment_intent.succeeded")[0]
    till.control.fail(Kind.ERROR, times=3, method="GET")
    assert problem(till.hear(event)) == (503, "temporarily-unavailable")
    assert till.shop.query("select 1 from stripe_events") == []
    assert till.hear(event).status_code == 204
    assert bought.states() == ("placed", "paid")
