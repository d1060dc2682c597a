"""What the Stripe double does with money, without network."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.stripe import cards
from tests.doubles.stripe.account import Account
from tests.doubles.stripe.errors import CardError, InvalidParameter, NotFound, NotRefundable, Refusal, UnexpectedState
from tests.doubles.stripe.objects import TRANSITIONS, Intent, Status, Step

RETURN_URL = "http://shop.test/back"


def new_account() -> Account:
    return Account("http://double", clock=lambda: 1_700_000_000.0)


def asked(account: Account, card: str, amount: int = 1000) -> Intent:
    """A confirmed intent, whatever came of it."""
    intent = account.create_intent(Intent(amount=amount, currency="eur", created=0))
    try:
        account.confirm(intent, account.method(card), RETURN_URL)
    except CardError:
        assert intent.last_error is not None
    return intent


@pytest.mark.parametrize(("status", "step"), list(itertools.product(Status, Step)))
def test_an_intent_takes_the_steps_of_the_table_and_no_others(status: Status, step: Step):
    intent = Intent(amount=100, currency="eur", created=0, status=status)
    if (status, step) in TRANSITIONS:
        intent.go(step)
        assert intent.status is TRANSITIONS[status, step]
    else:
        assert not intent.can(step)
        with pytest.raises(KeyError):
            intent.go(step)


@pytest.mark.parametrize(
    ("card", "status", "news"),
    [
        ("pm_card_visa", Status.SUCCEEDED, ["charge.succeeded", "payment_intent.succeeded"]),
        ("pm_card_chargeDeclined", Status.NEEDS_METHOD, ["charge.failed", "payment_intent.payment_failed"]),
        ("pm_card_visa_chargeDeclined", Status.NEEDS_METHOD, ["charge.failed", "payment_intent.payment_failed"]),
        ("pm_card_authenticationRequired", Status.NEEDS_ACTION, ["payment_intent.requires_action"]),
    ],
)
def test_the_card_decides_what_becomes_of_a_payment(card: str, status: Status, news: list[str]):
    account = new_account()
    intent = asked(account, card)
    assert intent.status is status
    assert [event for event, _ in account.take_news()] == ["payment_intent.created", *news]


def test_every_named_card_is_known_by_number_and_token():
    for name, number in cards._NAMES.items():
        card = cards.by_number(number)
        assert card is not None
        assert card is cards.by_name(f"pm_card_{name}") is cards.by_name(f"tok_{name}")
    assert cards.by_name("pm_card_unheard_of") is None


def test_a_declined_payment_may_be_tried_again_with_another_card():
    account = new_account()
    intent = asked(account, "pm_card_chargeDeclined")
    account.confirm(intent, account.method("pm_card_visa"), RETURN_URL)
    assert intent.status is Status.SUCCEEDED
    assert [charge.paid for charge in intent.charges] == [False, True]
    assert intent.last_error is None


@pytest.mark.parametrize(
    ("card", "passed", "status"),
    [
        ("pm_card_authenticationRequired", True, Status.SUCCEEDED),
        ("pm_card_authenticationRequired", False, Status.NEEDS_METHOD),
        ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", True, Status.NEEDS_METHOD),
    ],
)
def test_the_owner_of_the_card_decides_when_asked(card: str, passed: bool, status: Status):
    account = new_account()
    intent = asked(account, card)
    assert account.authenticate(intent, passed).status is status
    with pytest.raises(UnexpectedState, match="Nobody is asked"):
        account.authenticate(intent, passed)


def test_an_absent_owner_cannot_be_asked():
    account = new_account()
    intent = account.create_intent(Intent(amount=1000, currency="eur", created=0))
    with pytest.raises(CardError) as refused:
        account.confirm(intent, account.method("pm_card_authenticationRequired"), RETURN_URL, fail_if_asked=True)
    assert refused.value.code == "authentication_required"
    assert not intent.charges


def test_what_is_paid_is_neither_paid_again_nor_canceled():
    account = new_account()
    intent = asked(account, "pm_card_visa")
    with pytest.raises(UnexpectedState, match="may be confirmed: requires_payment_method"):
        account.confirm(intent, account.method("pm_card_visa"), RETURN_URL)
    with pytest.raises(UnexpectedState, match="may be canceled: requires_payment_method"):
        account.cancel(intent, None)
    assert len(intent.charges) == 1


def test_what_is_canceled_is_never_paid():
    account = new_account()
    intent = account.create_intent(Intent(amount=1000, currency="eur", created=0))
    account.cancel(intent, "abandoned")
    with pytest.raises(UnexpectedState):
        account.confirm(intent, account.method("pm_card_visa"), RETURN_URL)
    assert not intent.charges


def test_a_confirmation_that_might_redirect_needs_somewhere_to_return_to():
    account = new_account()
    intent = Intent(amount=1000, currency="eur", created=0, method=account.method("pm_card_visa"))
    with pytest.raises(InvalidParameter, match="return_url"):
        account.create_intent(intent, confirm=True)
    assert not account.intents
    intent.accepts_redirects = False
    assert account.create_intent(intent, confirm=True).status is Status.SUCCEEDED


@pytest.mark.parametrize(
    ("amount", "code"), [(0, "parameter_invalid_integer"), (49, "amount_too_small"), (10**8, "amount_too_large")]
)
def test_amounts_have_bounds(amount: int, code: str):
    with pytest.raises(InvalidParameter) as refused:
        new_account().create_intent(Intent(amount=amount, currency="eur", created=0))
    assert refused.value.code == code


@given(paid=st.integers(50, 500), asked_for=st.lists(st.none() | st.integers(-5, 600), max_size=8))
def test_never_more_is_given_back_than_was_paid(paid: int, asked_for: list[int | None]):
    account = new_account()
    charge = asked(account, "pm_card_visa", paid).paid_charge
    assert charge is not None
    given_back = 0
    for amount in asked_for:
        left = paid - given_back
        possible = left > 0 if amount is None else 0 < amount <= left
        try:
            given_back += account.refund(charge, amount, None, {}).amount
        except Refusal:
            assert not possible
        else:
            assert possible
    assert given_back == charge.amount_refunded == sum(one.amount for one in account.refunds.values()) <= paid


def test_what_was_not_paid_cannot_be_given_back():
    account = new_account()
    intent = asked(account, "pm_card_chargeDeclined")
    with pytest.raises(NotRefundable, match="does not have a successful charge"):
        account.charge_to_refund(intent.id, None)
    with pytest.raises(NotRefundable, match="was not paid"):
        account.refund(intent.charges[0], None, None, {})
    with pytest.raises(NotFound):
        account.charge_to_refund("pi_unknown", None)
