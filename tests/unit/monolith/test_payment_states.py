"""The table of a payment's states, and the decisions beside it."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest

from legacy_monolith.payments import states
from legacy_monolith.payments.states import TRANSITIONS, Fact, Move, State, after


def test_nothing_leads_out_of_a_cancelled_payment_and_only_money_ends_in_a_refund() -> None:
    assert not [fact for fact in Fact if (State.CANCELLED, fact) in TRANSITIONS]
    assert {state for (state, _), following in TRANSITIONS.items() if following is State.REFUNDED} == states.HOLDS_MONEY


@pytest.mark.parametrize(("state", "fact"), list(product(State, Fact)))
def test_no_fact_moves_a_payment_twice(state: State, fact: Fact) -> None:
    move = after(state, fact)
    if move is not None:
        assert after(move.state, fact) is None


def test_money_that_won_is_honoured_or_refunded_and_never_both() -> None:
    assert after(State.EXPIRING, Fact.SUCCEEDED) == Move(State.PAID)
    assert after(State.CANCELLING, Fact.SUCCEEDED) == Move(State.PAID, refunds_all=True)
    for state, fact in TRANSITIONS:
        move = after(state, fact)
        assert move
        assert not (move.ends_order and move.refunds_all)


@pytest.mark.parametrize(("total", "cents"), [("12.34", 1234), ("0.00", 0), ("99999999.99", 9999999999), ("1", 100)])
def test_cents_are_exact(total: str, cents: int) -> None:
    assert states.cents(Decimal(total)) == cents


def test_parts_of_a_cent_are_nobodys_price() -> None:
    with pytest.raises(ValueError, match="whole cents"):
        states.cents(Decimal("0.001"))


@pytest.mark.parametrize(("back", "fact"), [(0, Fact.NOTHING_BACK), (1, Fact.PART_BACK), (100, Fact.ALL_BACK)])
def test_what_went_back_is_a_fact(back: int, fact: Fact) -> None:
    assert states.fact_of_refunds(100, back) is fact
