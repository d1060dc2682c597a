"""Orders that nobody pays or wants: the intent ends first, then the stock comes back; money that won is never lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from legacy_monolith import jobs
from tests.doubles.faults import Kind
from tests.integration.monolith import elsewhere, tills
from tests.integration.monolith.shop import Shop, problem
from tests.integration.monolith.tills import STOCK, Till


def next_look(till: Till) -> int:
    """In how many seconds Stripe is asked about the one payment there is."""
    return till.shop.query("select round(extract(epoch from retry_at - now()))::int from payments")[0][0]


def test_who_cancels_before_paying_can_pay_no_more(till: Till) -> None:
    bought = till.order()
    cancelled = bought.cancel()
    assert (cancelled.status_code, cancelled.get_json()["state"]) == (200, "cancelled")
    assert cancelled.get_json()["payment"]["state"] == "cancelled"
    assert [intent["status"] for intent in till.control.intents()] == ["canceled"]
    assert bought.cancel().status_code == 200
    assert till.shop.stock(bought.product) == STOCK
    till.require_agreement()


def test_who_cancels_after_paying_gets_all_of_it_back_once(till: Till) -> None:
    bought = till.paid_order()
    for _ in range(2):
        assert bought.cancel().get_json()["state"] == "cancelled"
        till.run_jobs()
    assert bought.states() == ("cancelled", "refunded")
    assert (till.charged(), till.shop.stock(bought.product)) == (0, STOCK)
    assert len(till.control.refunds()) == 1
    till.require_agreement()


def test_what_was_given_back_before_a_cancel_is_not_given_back_again(till: Till) -> None:
    bought = till.paid_order()
    bought.refund("4.68")
    bought.cancel()
    till.run_jobs()
    assert [refund["amount"] for refund in till.control.refunds()] == [468, 2000]
    assert bought.states() == ("cancelled", "refunded")
    till.require_agreement()


def test_a_payment_that_won_against_a_cancel_is_refunded(till: Till) -> None:
    bought = till.order()
    till.pay(bought)
    assert bought.cancel().get_json()["state"] == "cancelled"
    till.run_jobs()
    till.hear_all()
    till.run_jobs()
    assert bought.states() == ("cancelled", "refunded")
    assert (till.charged(), till.shop.stock(bought.product)) == (0, STOCK)
    assert len(till.control.refunds()) == 1
    till.require_agreement()


def test_while_the_end_of_its_payment_is_in_doubt_no_unit_of_an_order_comes_back(till: Till) -> None:
    bought = till.order()
    till.control.fail(Kind.DROP, times=100, path="/v1/payment_intents/*")
    cancelled = bought.cancel()
    assert (cancelled.status_code, cancelled.get_json()["state"]) == (202, "cancelling")
    till.run_jobs()
    assert bought.states() == ("cancelling", "cancelling")
    assert till.shop.stock(bought.product) == STOCK - 2
    till.control.heal()
    till.run_jobs()
    assert bought.states() == ("cancelled", "cancelled")
    assert till.shop.stock(bought.product) == STOCK
    till.require_agreement()


@pytest.mark.parametrize("kind", [None, Kind.LOST, Kind.ERROR])
def test_what_is_not_paid_in_time_is_released(till: Till, kind: Kind | None) -> None:
    bought = till.order()
    till.run_jobs()
    assert bought.states() == ("placed", "unpaid")
    till.let_it_expire()
    if kind:
        till.control.fail(kind, times=3, path="/v1/payment_intents/*")
    till.run_jobs()
    assert bought.states() == ("cancelled", "cancelled")
    assert [intent["status"] for intent in till.control.intents()] == ["canceled"]
    assert till.shop.stock(bought.product) == STOCK
    again = till.check_out(bought)
    assert (again.status_code, again.get_json()["state"]) == (200, "cancelled")
    assert "client_secret" not in again.get_json()["payment"]
    till.require_agreement()


def test_fifteen_minutes_are_given(till: Till) -> None:
    till.order()
    assert till.shop.query("select extract(epoch from expires_at - created_at)::int from payments") == [(900,)]


def test_a_payment_that_won_against_the_clock_is_honoured(till: Till) -> None:
    bought = till.order()
    till.pay(bought)
    till.let_it_expire()
    till.run_jobs()
    assert bought.states() == ("placed", "paid")
    till.hear_all()
    till.run_jobs()
    assert bought.states() == ("placed", "paid")
    assert (till.charged(), till.control.refunds()) == (2468, [])
    till.require_agreement()


def test_a_payment_of_which_no_event_comes_is_asked_about(till: Till) -> None:
    bought = till.order()
    assert next_look(till) == pytest.approx(60, abs=5)
    till.run_jobs()
    assert bought.states() == ("placed", "unpaid")
    till.pay(bought)
    till.run_jobs()
    assert bought.states() == ("placed", "paid")
    till.hear_all()
    till.require_agreement()


@pytest.mark.parametrize(("minutes", "seconds"), [(0, 60), (3, 180), (12, 180)])
def test_it_is_asked_about_less_and_less_often_until_it_expires(till: Till, minutes: int, seconds: int) -> None:
    till.order()
    till.shop.query(
        "update payments set created_at = created_at - make_interval(mins => %s),"
        " expires_at = expires_at - make_interval(mins => %s), retry_at = now()",
        minutes,
        minutes,
    )
    assert jobs.finish_payments(till.shop.app) == 1
    assert next_look(till) == pytest.approx(seconds, abs=5)


def test_where_payments_are_owned_elsewhere_so_is_their_background_work(
    new_shop: Callable[..., Shop], stripe_url: str
) -> None:
    till = tills.new_till(new_shop, stripe_url)
    till.order()
    elsewhere.move_away(till.shop, "payments")
    # What the stream brought from the side that owns them, long overdue.
    till.shop.query(
        "set session_replication_role = replica; update orders set retry_at = now();"
        " update payments set retry_at = now(), expires_at = now()"
    )
    asked = len(till.control.received())
    assert (jobs.finish_payments(till.shop.app), jobs.finish_orders(till.shop.app)) == (0, 0)
    jobs.tidy(till.shop.app)
    assert len(till.control.received()) == asked


def test_an_intent_whose_answer_was_lost_is_cancelled_when_it_expires(till: Till) -> None:
    till.control.fail(Kind.LOST, times=3, path="/v1/payment_intents")
    bought = till.buyer_with_cart()
    assert problem(till.check_out(bought)) == (503, "temporarily-unavailable")
    till.let_it_expire()
    till.run_jobs()
    assert [intent["status"] for intent in till.control.intents()] == ["canceled"]
    assert till.shop.stock(bought.product) == STOCK
    till.require_agreement()


def test_a_cancel_of_an_order_that_expires_meanwhile_is_a_cancel(till: Till) -> None:
    bought = till.order()
    till.pay(bought)
    till.let_it_expire()
    till.control.fail(Kind.DROP, times=100, path="/v1/payment_intents/*")
    till.run_jobs()
    assert bought.states() == ("placed", "expiring")
    assert bought.cancel().status_code == 202
    assert bought.states() == ("cancelling", "cancelling")
    till.control.heal()
    till.run_jobs()
    assert bought.states() == ("cancelled", "refunded")
    assert till.charged() == 0
    till.require_agreement()
