"""What Stripe keeps, and the life of a PaymentIntent as a table. No network."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from tests.doubles.stripe.cards import Card


class Status(StrEnum):
    """Where a PaymentIntent is; the values are Stripe's words."""

    NEEDS_METHOD = "requires_payment_method"  # New without a card, or the last card did not pay.
    NEEDS_CONFIRMATION = "requires_confirmation"
    NEEDS_ACTION = "requires_action"  # The card's owner is asked (3-D Secure).
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class Step(StrEnum):
    """What can happen to a PaymentIntent."""

    ATTACH = "attach"
    CHALLENGE = "challenge"
    CHARGE = "charge"
    DECLINE = "decline"
    CANCEL = "cancel"


TRANSITIONS: dict[tuple[Status, Step], Status] = {
    (Status.NEEDS_METHOD, Step.ATTACH): Status.NEEDS_CONFIRMATION,
    (Status.NEEDS_CONFIRMATION, Step.ATTACH): Status.NEEDS_CONFIRMATION,
    (Status.NEEDS_ACTION, Step.ATTACH): Status.NEEDS_CONFIRMATION,
    (Status.NEEDS_CONFIRMATION, Step.CHALLENGE): Status.NEEDS_ACTION,
    (Status.NEEDS_CONFIRMATION, Step.CHARGE): Status.SUCCEEDED,
    (Status.NEEDS_ACTION, Step.CHARGE): Status.SUCCEEDED,
    (Status.NEEDS_CONFIRMATION, Step.DECLINE): Status.NEEDS_METHOD,
    (Status.NEEDS_ACTION, Step.DECLINE): Status.NEEDS_METHOD,
    (Status.NEEDS_METHOD, Step.CANCEL): Status.CANCELED,
    (Status.NEEDS_CONFIRMATION, Step.CANCEL): Status.CANCELED,
    (Status.NEEDS_ACTION, Step.CANCEL): Status.CANCELED,
}


def statuses_that_allow(step: Step) -> list[Status]:
    return [status for status, possible in TRANSITIONS if possible is step]


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(eq=False)
class PaymentMethod:
    card: Card
    created: int
    id: str = field(default_factory=lambda: new_id("pm"))


@dataclass(eq=False)
class Charge:
    """One attempt to take money; `paid` or declined."""

    intent: Intent = field(repr=False)
    method: PaymentMethod
    amount: int
    created: int
    paid: bool
    refunds: list[Refund] = field(default_factory=list)
    id: str = field(default_factory=lambda: new_id("ch"))

    @property
    def amount_refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds)

    @property
    def amount_left(self) -> int:
        return self.amount - self.amount_refunded if self.paid else 0


@dataclass(eq=False)
class Refund:
    charge: Charge = field(repr=False)
    amount: int
    created: int
    reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: new_id("re"))


@dataclass(eq=False)
class LastError:
    """Why the last attempt to pay failed."""

    code: str
    message: str
    method: PaymentMethod
    decline_code: str = ""
    charge: Charge | None = None


@dataclass(eq=False)
class Intent:
    """A PaymentIntent. Statuses change through `go` only."""

    amount: int
    currency: str
    created: int
    status: Status = Status.NEEDS_METHOD
    method: PaymentMethod | None = None
    accepts_redirects: bool = True
    automatic_methods: bool = True
    customer: str | None = None
    description: str | None = None
    receipt_email: str | None = None
    return_url: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    charges: list[Charge] = field(default_factory=list)
    last_error: LastError | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    id: str = field(default_factory=lambda: new_id("pi"))
    secret: str = field(default_factory=lambda: secrets.token_hex(12))

    def can(self, step: Step) -> bool:
        return (self.status, step) in TRANSITIONS

    def go(self, step: Step) -> None:
        self.status = TRANSITIONS[self.status, step]

    @property
    def latest_charge(self) -> Charge | None:
        return self.charges[-1] if self.charges else None

    @property
    def paid_charge(self) -> Charge | None:
        return next((charge for charge in self.charges if charge.paid), None)
