"""What becomes of a payment: a table of transitions, and the decisions around it. No database, no network.

Whoever ends an unpaid purchase ends its PaymentIntent first. If money won that race,
- a purchase that only expired keeps it: its goods are still there (honoured);
- a purchase that its buyer cancelled gives all of it back (refunded).
Which of the two it is falls with the transition, in one transaction, so it is never both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SMALLEST_CENTS, LARGEST_CENTS = 50, 99_999_999


class State(StrEnum):
    UNPAID = "unpaid"
    EXPIRING = "expiring"  # Too old: its intent is being cancelled, and may turn out to be paid.
    CANCELLING = "cancelling"  # The same, because its buyer wants no purchase any more.
    VOID = "void"  # Nothing was paid, and nothing can be.
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
    (State.UNPAID, Fact.VOIDED): State.VOID,
    (State.EXPIRING, Fact.VOIDED): State.VOID,
    (State.CANCELLING, Fact.VOIDED): State.VOID,
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
    ends_purchase: bool = False
    refunds_all: bool = False


def after(state: State, fact: Fact) -> Move | None:
    """None: the fact changes nothing, as when it is told again or too late."""
    following = TRANSITIONS.get((state, fact))
    if following is None:
        return None
    return Move(
        following,
        ends_purchase=following is State.VOID,
        refunds_all=(state, fact) == (State.CANCELLING, Fact.SUCCEEDED),
    )


def fact_of_refunds(paid: int, given_back: int) -> Fact:
    if given_back <= 0:
        return Fact.NOTHING_BACK
    return Fact.ALL_BACK if given_back >= paid else Fact.PART_BACK


def can_be_charged(amount: int) -> bool:
    """Nothing to pay needs no payment; cards have a smallest and a largest amount."""
    return amount == 0 or SMALLEST_CENTS <= amount <= LARGEST_CENTS
