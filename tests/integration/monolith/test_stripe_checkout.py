"""A checkout with Stripe: one intent for each order, whatever becomes of the answer."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import stripe
from werkzeug.serving import make_server

from legacy_monolith import jobs
from legacy_monolith.payments import collecting
from legacy_monolith.payments.gateway import KeySpent
from tests.doubles.faults import Kind
from tests.integration.monolith.shop import ORDERS, Shop, problem
from tests.integration.monolith.tills import API_KEY, SECRET, WEBHOOKS, Till
from tests.support.waiting import wait_until

INTENTS = "/v1/payment_intents"
# The lock that a fence takes, as impatient as it is.
FENCE = "do $$ begin set lock_timeout = '100ms'; lock payments in share row exclusive mode; end $$"


def test_a_checkout_is_answered_with_the_secret_of_one_intent(till: Till) -> None:
    bought = till.order()
    payment = bought.answer.get_json()["payment"]
    [intent] = till.control.intents()
    assert payment.pop("client_secret") == intent["client_secret"]
    assert payment.pop("expires_at") > bought.answer.get_json()["created_at"]
    assert payment == {"state": "unpaid", "amount": "24.68", "refunded": "0.00", "refunds": []}
    assert (intent["amount"], intent["currency"], intent["metadata"]["order"]) == (2468, "eur", str(bought.id))
    # Once more it is the same, and elsewhere the secret is not shown.
    assert till.check_out(bought).get_json()["payment"]["client_secret"] == intent["client_secret"]
    assert "client_secret" not in bought.shown()["payment"]
    assert bought.buyer.get(ORDERS).get_json()["items"][0]["payment"] == bought.shown()["payment"]
    assert len(till.control.intents()) == 1


def test_a_payment_is_told_over_the_network(till: Till) -> None:
    server = make_server("127.0.0.1", 0, till.shop.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        till.control.send_webhooks(f"http://127.0.0.1:{server.port}{WEBHOOKS}", SECRET, first_pause=0.05)
        till.control.disturb_webhooks(copies=2, reorder=3, patience=0.2)
        bought = till.order()
        till.pay(bought)
        wait_until(lambda: bought.states() == ("placed", "paid"), 10, "the payment is known")
        wait_until(lambda: all(one["delivered"] for one in till.control.deliveries()), 10, "all events are taken")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert till.charged() == 2468


@pytest.mark.parametrize("kind", [Kind.DROP, Kind.LOST, Kind.ERROR])
def test_a_call_that_fails_once_is_repeated_under_its_key(till: Till, kind: Kind) -> None:
    till.control.fail(kind, method="POST", path=INTENTS)
    bought = till.order()
    assert len(till.control.intents()) == 1
    assert {one["headers"]["Idempotency-Key"] for one in till.control.received("POST", INTENTS)} == {
        f"order-{bought.id}-1"
    }


@pytest.mark.parametrize("kind", [Kind.DROP, Kind.LOST, Kind.ERROR, Kind.RATE_LIMITED])
def test_an_answer_that_stays_lost_is_found_by_the_same_key(till: Till, kind: Kind) -> None:
    till.control.fail(kind, times=3, method="POST", path=INTENTS)
    bought = till.buyer_with_cart()
    assert problem(till.check_out(bought)) == (503, "temporarily-unavailable")
    till.control.heal()
    assert till.check_out(bought).status_code == 200
    assert [one["id"] for one in till.control.intents()] == [bought.intent]


def test_an_answer_that_stays_lost_is_found_by_the_background_process(till: Till) -> None:
    till.control.fail(Kind.LOST, times=3, method="POST", path=INTENTS)
    till.check_out(till.buyer_with_cart())
    assert till.shop.query("select intent from payments") == [(None,)]
    till.let_time_pass()
    assert jobs.finish_payments(till.shop.app) == 1
    [intent] = till.control.intents()
    assert till.shop.query("select intent, state from payments") == [(intent["id"], "unpaid")]


def test_no_checkout_waits_longer_than_its_patience(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each attempt alone would be patient enough for this.
    till.control.fail(Kind.SLOW, method="POST", path=INTENTS, seconds=1.5)
    monkeypatch.setattr(collecting, "PATIENCE_SECONDS", 0.4)
    bought = till.buyer_with_cart()
    assert problem(till.check_out(bought)) == (503, "temporarily-unavailable")
    monkeypatch.undo()
    wait_until(lambda: not till.control.keys_in_use(), 5, "Stripe has done what it was asked")
    assert till.check_out(bought).status_code == 200
    assert [one["id"] for one in till.control.intents()] == [bought.intent]


def test_a_fence_waits_for_a_call_that_is_under_way(till: Till) -> None:
    till.control.fail(Kind.SLOW, method="POST", path=INTENTS, seconds=1.0)
    bought = till.buyer_with_cart()
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(till.check_out, bought)
        wait_until(lambda: bool(till.control.received("POST", INTENTS)), 5, "Stripe is asked")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            till.shop.query(FENCE)
        assert answer.result().status_code == 201
    till.shop.query(FENCE)


def test_a_key_that_is_spent_is_followed_by_another(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = till.shop.app.extensions["gateway"]
    real = gateway.create

    def spent(*_: object) -> None:
        monkeypatch.setattr(gateway, "create", real)
        raise KeySpent

    monkeypatch.setattr(gateway, "create", spent)
    bought = till.buyer_with_cart()
    assert problem(till.check_out(bought)) == (503, "temporarily-unavailable")
    assert till.check_out(bought).status_code == 200
    [asked] = till.control.received("POST", INTENTS)
    assert asked["headers"]["Idempotency-Key"] == f"order-{bought.id}-2"


def test_many_at_once_under_one_key_make_one_intent(till: Till) -> None:
    bought = till.buyer_with_cart()
    browsers = [till.shop.same_person(bought.buyer) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda browser: browser.check_out(bought.key), browsers))
    assert len(till.control.intents()) == 1
    secrets = {answer.get_json()["payment"]["client_secret"] for answer in answers if answer.status_code < 300}
    assert len(secrets) == 1


def test_a_declined_card_leaves_the_order_unpaid_until_another_one_pays(till: Till) -> None:
    bought = till.order()
    with pytest.raises(stripe.CardError):
        till.pay(bought, "pm_card_chargeDeclined")
    till.hear_all()
    assert bought.states() == ("placed", "unpaid")
    till.pay(bought)
    till.hear_all()
    assert bought.states() == ("placed", "paid")
    assert till.charged() == 2468


def test_what_costs_nothing_is_not_paid(till: Till) -> None:
    bought = till.order(price="0.00")
    assert bought.answer.get_json()["payment"] is None
    assert bought.cancel().get_json()["state"] == "cancelled"
    assert till.control.received() == []


def test_what_no_card_can_pay_is_not_ordered(till: Till) -> None:
    bought = till.buyer_with_cart(price="0.24")
    for _ in range(2):
        assert problem(till.check_out(bought)) == (409, "amount-not-payable")
    assert bought.buyer.cart() == {bought.product: 2}
    assert till.shop.stock(bought.product) == 5
    assert till.control.received() == []


def test_a_shop_without_keys_places_orders_and_takes_no_money(shop: Shop) -> None:
    buyer = shop.person()
    buyer.put_in_cart(shop.seller().offer()["id"])
    placed = buyer.check_out()
    assert (placed.status_code, placed.get_json()["payment"]) == (201, None)
    assert shop.query("select 1 from payments") == []
    answer = shop.visitor().post(WEBHOOKS, {})
    assert problem(answer) == (503, "payments-not-configured")


def test_no_secret_is_in_the_logs(till: Till, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    till.control.fail(Kind.ERROR, times=2, method="POST", path=INTENTS)
    bought = till.order()
    till.pay(bought)
    till.hear_all()
    secret = bought.answer.get_json()["payment"]["client_secret"]
    said = "\n".join(str(vars(record)) for record in caplog.records if record.name.startswith("legacy_monolith"))
    assert "payment moved" in said
    for private in (secret, API_KEY, SECRET, bought.buyer.user["email"]):
        assert private not in said
