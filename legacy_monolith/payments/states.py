"""What becomes of a payment: a table of transitions, and the decisions around it. No database, no network.

Whoever ends an unpaid order ends its PaymentIntent first. If money won that race,
- an order that only expired keeps it: its goods are still there (honoured);
- an order that its buyer cancelled gives all of it back (refunded).
Which of the two it is falls with the transition, in one transaction, so it is never both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

SMALLEST_CENTS, LARGEST_CENTS = 50, 99_999_999


class State(StrEnum):
    UNPAID = "unpaid"
    EXPIRING = "expiring"  # Too old: its intent is being cancelled, and may turn out to be paid.
    CANCELLING = "cancelling"  # The same, because its buyer wants no order any more.
    CANCELLED = "cancelled"  # Nothing was paid, and nothing can be.
    PAID = "paid"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"


class Fact(StrEnum):
    """What happened, here or at Stripe."""

    EXPIRE = "expire"
    CANCEL = "cancel"
    VOIDED = "voided"
    SUCCEEDED = "succeeded"
    NOTHING_BACK = "nothing back"
    PART_BACK = "part back"
    ALL_BACK = "all back"


TRANSITIONS: Mapping[tuple[State, Fact], State] = {
    (State.UNPAID, Fact.EXPIRE): State.EXPIRING,
    (State.UNPAID, Fact.CANCEL): State.CANCELLING,
    (State.EXPIRING, Fact.CANCEL): State.CANCELLING,
    (State.UNPAID, Fact.VOIDED): State.CANCELLED,
    (State.EXPIRING, Fact.VOIDED): State.CANCELLED,
    (State.CANCELLING, Fact.VOIDED): State.CANCELLED,
    (State.UNPAID, Fact.SUCCEEDED): State.PAID,
    (State.EXPIRING, Fact.SUCCEEDED): State.PAID,
    (State.CANCELLING, Fact.SUCCEEDED): State.PAID,
    (State.PAID, Fact.PART_BACK): State.PARTLY_REFUNDED,
    (State.PAID, Fact.ALL_BACK): State.REFUNDED,
    (State.PARTLY_REFUNDED, Fact.ALL_BACK): State.REFUNDED,
    # A refund that was made may still fail at the bank.
    (State.PARTLY_REFUNDED, Fact.NOTHING_BACK): State.PAID,
    (State.REFUNDED, Fact.PART_BACK): State.PARTLY_REFUNDED,
    (State.REFUNDED, Fact.NOTHING_BACK): State.PAID,
}

OPEN = frozenset({State.UNPAID, State.EXPIRING, State.CANCELLING})
ENDING = frozenset({State.EXPIRING, State.CANCELLING})
HOLDS_MONEY = frozenset({State.PAID, State.PARTLY_REFUNDED})

# What an intent's status says for good; all others may still become either.
FINAL: Mapping[str, Fact] = {"succeeded": Fact.SUCCEEDED, "canceled": Fact.VOIDED}


@dataclass(frozen=True)
class Move:
    """What one transition brings with it, to be done in its transaction."""

    state: State
    ends_order: bool = False
    refunds_all: bool = False


def after(state: State, fact: Fact) -> Move | None:
    """None: the fact changes nothing, as when it is told again or too late."""
    following = TRANSITIONS.get((state, fact))
    if following is None:
        return None
    return Move(
        following,
        ends_order=following is State.CANCELLED,
        refunds_all=(state, fact) == (State.CANCELLING, Fact.SUCCEEDED),
    )


def fact_of_refunds(paid: int, given_back: int) -> Fact:
    if given_back <= 0:
        return Fact.NOTHING_BACK
    return Fact.ALL_BACK if given_back >= paid else Fact.PART_BACK


def cents(total: Decimal) -> int:
    """Exact; a total with parts of a cent is nobody's price."""
    scaled = total * 100
    if scaled != scaled.to_integral_value():
        raise ValueError("a total has whole cents")
    return int(scaled)


def can_be_charged(amount: int) -> bool:
    """Nothing to pay needs no payment; cards have a smallest and a largest amount."""
    return amount == 0 or SMALLEST_CENTS <= amount <= LARGEST_CENTS
