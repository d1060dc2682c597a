"""The process dies around every commit and every call to Stripe; nobody pays twice, or gets back twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from legacy_monolith import jobs
from legacy_monolith.database import RequestSession
from tests.integration.monolith.elsewhere import Died
from tests.integration.monolith.tills import STOCK, Bought, Till

# All before a commit is done then, calls to Stripe too; that nothing of them was begun is left to `CALLS`.
COMMITS = [(number, "before") for number in range(1, 5)] + [(1, "after")]
# The way of an order that is not paid differs in what Stripe answers, not in the commits around it.
PAID_OR_NOT = [(number, moment, True) for number, moment in COMMITS] + [(2, "before", False)]
CALLS = [(call, moment) for call in ("create", "cancel", "refund", "given") for moment in ("before", "after")]


def dying_commit(monkeypatch: pytest.MonkeyPatch, number: int, moment: str) -> Callable[[], bool]:
    """The process dies at this commit from now on; what is returned ends that, and says whether it died."""
    real, commits = RequestSession.commit, 0

    def commit(session: Any) -> None:
        nonlocal commits
        commits += 1
        if commits == number and moment == "before":
            raise Died
        real(session)
        if commits == number:
            raise Died

    monkeypatch.setattr(RequestSession, "commit", commit)

    def revive() -> bool:
        monkeypatch.setattr(RequestSession, "commit", real)
        return commits >= number

    return revive


def dying_call(till: Till, monkeypatch: pytest.MonkeyPatch, call: str, moment: str) -> Callable[[], bool]:
    gateway = till.shop.app.extensions["gateway"]
    real, died = getattr(gateway, call), False

    def dies(*arguments: Any) -> None:
        nonlocal died
        died = True
        if moment == "after":
            real(*arguments)
        raise Died

    monkeypatch.setattr(gateway, call, dies)

    def revive() -> bool:
        monkeypatch.setattr(gateway, call, real)
        return died

    return revive


def attempt(act: Callable[[], object], revive: Callable[[], bool]) -> None:
    """Do it in a process that may die over it; it dies if the moment is ever reached."""
    survived = False
    try:
        act()
        survived = True
    except Died:
        pass
    assert revive() is not survived


def settle(till: Till, bought: Bought) -> None:
    till.run_jobs()
    till.hear_all()
    till.run_jobs()
    till.require_agreement()


@pytest.mark.parametrize(("number", "moment"), COMMITS)
def test_around_any_commit_of_a_checkout_there_is_one_intent_and_it_is_paid_once(
    till: Till, monkeypatch: pytest.MonkeyPatch, number: int, moment: str
) -> None:
    bought = till.buyer_with_cart()
    attempt(lambda: till.check_out(bought), dying_commit(monkeypatch, number, moment))
    till.run_jobs()
    till.check_out(bought)
    assert len(till.control.intents()) == 1
    till.pay(bought)
    settle(till, bought)
    assert bought.states() == ("placed", "paid")
    assert till.charged() == 2468


@pytest.mark.parametrize("moment", ["before", "after"])
def test_around_the_call_for_an_intent_there_is_one(till: Till, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    bought = till.buyer_with_cart()
    attempt(lambda: till.check_out(bought), dying_call(till, monkeypatch, "create", moment))
    assert till.check_out(bought).status_code == 200
    assert [one["id"] for one in till.control.intents()] == [bought.intent]


@pytest.mark.parametrize(("number", "moment", "is_paid"), PAID_OR_NOT)
def test_around_any_commit_of_a_cancel_all_comes_back_once(
    till: Till, monkeypatch: pytest.MonkeyPatch, number: int, moment: str, is_paid: bool
) -> None:
    bought = till.order()
    if is_paid:
        till.pay(bought)
    attempt(bought.cancel, dying_commit(monkeypatch, number, moment))
    # Its buyer asks again; a death before the first commit had decided nothing.
    bought.cancel()
    settle(till, bought)
    assert bought.states() == ("cancelled", "refunded" if is_paid else "cancelled")
    assert (till.charged(), till.shop.stock(bought.product)) == (0, STOCK)


@pytest.mark.parametrize(("number", "moment", "is_paid"), PAID_OR_NOT)
def test_around_any_commit_of_the_background_process_an_order_expires_or_is_honoured(
    till: Till, monkeypatch: pytest.MonkeyPatch, number: int, moment: str, is_paid: bool
) -> None:
    bought = till.order()
    if is_paid:
        till.pay(bought)
    till.let_it_expire()
    till.let_time_pass()
    attempt(lambda: jobs.finish_payments(till.shop.app), dying_commit(monkeypatch, number, moment))
    settle(till, bought)
    assert bought.states() == (("placed", "paid") if is_paid else ("cancelled", "cancelled"))
    assert till.charged() == (2468 if is_paid else 0)
    assert till.shop.stock(bought.product) == (STOCK - 2 if is_paid else STOCK)


@pytest.mark.parametrize(("number", "moment"), COMMITS)
def test_around_any_commit_of_an_event_it_has_one_effect(
    till: Till, monkeypatch: pytest.MonkeyPatch, number: int, moment: str
) -> None:
    bought = till.order()
    till.pay(bought)
    till.shop.query("update payments set intent = null")
    event = till.events("payment_intent.succeeded")[0]
    attempt(lambda: till.hear(event), dying_commit(monkeypatch, number, moment))
    # Stripe sends again what was not answered.
    settle(till, bought)
    assert bought.states() == ("placed", "paid")


@pytest.mark.parametrize(("number", "moment"), COMMITS)
def test_around_any_commit_of_a_refund_it_is_made_once(
    till: Till, monkeypatch: pytest.MonkeyPatch, number: int, moment: str
) -> None:
    bought = till.paid_order()
    attempt(lambda: bought.refund("4.68", bought.key), dying_commit(monkeypatch, number, moment))
    assert bought.refund("4.68", bought.key).status_code in (200, 201)
    settle(till, bought)
    assert till.charged() == 2000
    assert len(till.control.refunds()) == 1


@pytest.mark.parametrize(("call", "moment"), CALLS)
def test_around_any_call_of_the_background_process_nothing_happens_twice(
    till: Till, monkeypatch: pytest.MonkeyPatch, call: str, moment: str
) -> None:
    bought = till.order()
    till.pay(bought)
    if call == "create":
        till.shop.query("update payments set intent = null, retry_at = now()")
        attempt(lambda: jobs.finish_payments(till.shop.app), dying_call(till, monkeypatch, call, moment))
        settle(till, bought)
        assert (bought.states(), till.charged()) == (("placed", "paid"), 2468)
        return
    revive = dying_call(till, monkeypatch, call, moment)

    def cancel_and_work() -> None:
        bought.cancel()
        till.run_jobs()

    attempt(cancel_and_work, revive)
    settle(till, bought)
    assert (bought.states(), till.charged()) == (("cancelled", "refunded"), 0)
    assert len(till.control.refunds()) == 1
