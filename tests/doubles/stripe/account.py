"""What Stripe does with a request: the account's payments and refunds, and the news about them. No network.

Not for several threads at once; the caller holds a lock around each call and collects the news afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.doubles.stripe import cards, shapes
from tests.doubles.stripe.errors import CardError, InvalidParameter, NotFound, NotRefundable, UnexpectedState
from tests.doubles.stripe.objects import (
    Charge,
    Intent,
    LastError,
    PaymentMethod,
    Refund,
    Status,
    Step,
    statuses_that_allow,
)

_Kept = TypeVar("_Kept")

SMALLEST_AMOUNT = 50
LARGEST_AMOUNT = 99_999_999


class Account:
    """Everything that was created, by id, oldest first."""

    def __init__(self, public_url: str, clock: Callable[[], float] = time.time) -> None:
        self.public_url = public_url
        self._clock = clock
        self.methods: dict[str, PaymentMethod] = {}
        self.intents: dict[str, Intent] = {}
        self.charges: dict[str, Charge] = {}
        self.refunds: dict[str, Refund] = {}
        self._news: list[tuple[str, shapes.Shape]] = []

    def take_news(self) -> list[tuple[str, shapes.Shape]]:
        """Event types with the object as it was at that moment, since the last call."""
        news, self._news = self._news, []
        return news

    def _tell(self, event: str, one: Intent | Charge | Refund) -> None:
        match one:
            case Intent():
                shape = shapes.intent(one, self.public_url)
            case Charge():
                shape = shapes.charge(one)
            case Refund():
                shape = shapes.refund(one)
        self._news.append((event, shape))

    def _now(self) -> int:
        return int(self._clock())

    # Payment methods

    def create_method(self, card: cards.Card) -> PaymentMethod:
        method = PaymentMethod(card, self._now())
        self.methods[method.id] = method
        return method

    def method(self, name: str) -> PaymentMethod:
        """One that was created, or a new one for a test card's name, as Stripe does."""
        if card := cards.by_name(name):
            return self.create_method(card)
        return _found(self.methods, name, "PaymentMethod")

    # PaymentIntents

    def intent(self, intent_id: str) -> Intent:
        return _found(self.intents, intent_id, "payment_intent")

    def create_intent(self, intent: Intent, confirm: bool = False, fail_if_asked: bool = False) -> Intent:
        """Keep the new intent and perhaps confirm it; one that could not be confirmed is not kept."""
        self._check_amount(intent)
        if confirm:
            self._check_confirmable(intent, intent.method, intent.return_url)
        intent.created = self._now()
        if intent.method:
            intent.go(Step.ATTACH)
        self.intents[intent.id] = intent
        self._tell("payment_intent.created", intent)
        return self.confirm(intent, None, None, fail_if_asked) if confirm else intent

    @staticmethod
    def _check_amount(intent: Intent) -> None:
        if intent.amount < 1:
            message = "This value must be greater than or equal to 1."
            raise InvalidParameter(message, "parameter_invalid_integer", "amount")
        if intent.amount < SMALLEST_AMOUNT:
            message = f"Amount must be at least {money(SMALLEST_AMOUNT, intent.currency)}."
            raise InvalidParameter(message, "amount_too_small", "amount")
        if intent.amount > LARGEST_AMOUNT:
            message = f"Amount must be no more than {money(LARGEST_AMOUNT, intent.currency)}."
            raise InvalidParameter(message, "amount_too_large", "amount")

    def confirm(
        self, intent: Intent, method: PaymentMethod | None, return_url: str | None, fail_if_asked: bool = False
    ) -> Intent:
        """Try to take the money: it is paid, or the card's owner is asked, or CardError."""
        if not intent.can(Step.ATTACH):
            raise self._unexpected("confirm", intent, Step.ATTACH)
        return_url = return_url or intent.return_url
        method = self._check_confirmable(intent, method or intent.method, return_url)
        intent.method, intent.return_url = method, return_url
        intent.go(Step.ATTACH)
        if not method.card.challenge:
            return self._charge(intent, method)
        if fail_if_asked:
            code, message = "authentication_required", "This transaction requires authentication."
            raise self._failed(intent, method, code, f"Your card was declined. {message}", code)
        intent.go(Step.CHALLENGE)
        self._tell("payment_intent.requires_action", intent)
        return intent

    @staticmethod
    def _check_confirmable(intent: Intent, method: PaymentMethod | None, return_url: str | None) -> PaymentMethod:
        if intent.automatic_methods and intent.accepts_redirects and not return_url:
            raise InvalidParameter(
                "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
                "these payment methods might redirect your customer off of your page, you must provide a `return_url`. "
                "If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` "
                "to `true` and `automatic_payment_methods[allow_redirects]` to `never`."
            )
        if method is None:
            raise UnexpectedState(
                "You cannot confirm this PaymentIntent because it's missing a payment method. Update the PaymentIntent "
                "with a payment method and then confirm it again.",
                code="payment_intent_unexpected_state",
            )
        return method

    def authenticate(self, intent: Intent, passed: bool) -> Intent:
        """The card's owner answered. That the card then declines is no refusal: nobody asked over the API."""
        method = intent.method
        if method is None or intent.status is not Status.NEEDS_ACTION:
            raise UnexpectedState(f"Nobody is asked about {intent.id}: it is {intent.status}.", intent=intent)
        if not passed:
            message = "The provided PaymentMethod has failed authentication. Provide a new one to attempt it again."
            self._failed(intent, method, "payment_intent_authentication_failure", message)
            return intent
        try:
            return self._charge(intent, method)
        except CardError:
            return intent

    def _charge(self, intent: Intent, method: PaymentMethod) -> Intent:
        card = method.card
        charge = Charge(intent, method, intent.amount, self._now(), paid=not card.declines)
        self.charges[charge.id] = charge
        intent.charges.append(charge)
        if card.declines:
            self._tell("charge.failed", charge)
            message = cards.MESSAGES.get(card.decline_code, cards.MESSAGES.get(card.code, "Your card was declined."))
            raise self._failed(intent, method, card.code, message, card.decline_code, charge)
        intent.last_error = None
        intent.go(Step.CHARGE)
        self._tell("charge.succeeded", charge)
        self._tell("payment_intent.succeeded", intent)
        return intent

    def _failed(
        self, intent: Intent, method: PaymentMethod, code: str, message: str, decline_code: str = "",
        charge: Charge | None = None,
    ) -> CardError:  # fmt: skip
        intent.go(Step.DECLINE)
        intent.method = None
        intent.last_error = LastError(code, message, method, decline_code, charge)
        self._tell("payment_intent.payment_failed", intent)
        return CardError(message, code, intent=intent, decline_code=decline_code, charge=charge, method=method)

    def cancel(self, intent: Intent, reason: str | None) -> Intent:
        if not intent.can(Step.CANCEL):
            raise self._unexpected("cancel", intent, Step.CANCEL)
        intent.go(Step.CANCEL)
        intent.canceled_at, intent.cancellation_reason = self._now(), reason
        self._tell("payment_intent.canceled", intent)
        return intent

    @staticmethod
    def _unexpected(verb: str, intent: Intent, step: Step) -> UnexpectedState:
        allowed = ", ".join(statuses_that_allow(step))
        return UnexpectedState(
            f"You cannot {verb} this PaymentIntent because it has a status of {intent.status}. Only a PaymentIntent "
            f"with one of the following statuses may be {verb}ed: {allowed}.",
            code="payment_intent_unexpected_state",
            intent=intent,
        )

    # Refunds

    def refund(self, charge: Charge, amount: int | None, reason: str | None, metadata: dict[str, str]) -> Refund:
        """Give back `amount`, or all that is left; never more than was paid."""
        currency = charge.intent.currency
        if not charge.paid:
            raise NotRefundable(f"Charge {charge.id} was not paid, so it cannot be refunded.")
        if charge.amount_left == 0:
            raise NotRefundable(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
        amount = charge.amount_left if amount is None else amount
        if amount < 1:
            raise InvalidParameter("Invalid positive integer", "parameter_invalid_integer", "amount")
        if amount > charge.amount_left:
            whole = "unrefunded amount on charge" if charge.refunds else "charge amount"
            raise NotRefundable(
                f"Refund amount ({money(amount, currency)}) is greater than {whole} "
                f"({money(charge.amount_left, currency)})",
                param="amount",
            )
        refund = Refund(charge, amount, self._now(), reason, metadata)
        charge.refunds.append(refund)
        self.refunds[refund.id] = refund
        self._tell("refund.created", refund)
        self._tell("charge.refunded", charge)
        return refund

    def charge(self, charge_id: str) -> Charge:
        return _found(self.charges, charge_id, "charge")

    def charge_to_refund(self, intent_id: str | None, charge_id: str | None) -> Charge:
        if charge_id:
            return self.charge(charge_id)
        if not intent_id:
            raise InvalidParameter(
                "One of the following params should be provided for this request: payment_intent or charge."
            )
        charge = self.intent(intent_id).paid_charge
        if charge is None:
            raise NotRefundable(f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.")
        return charge


def money(amount: int, currency: str) -> str:
    return f"{amount / 100:.2f} {currency}"


def _found(kept: dict[str, _Kept], wanted: str, what: str) -> _Kept:
    if wanted not in kept:
        raise NotFound(f"No such {what}: '{wanted}'", code="resource_missing")
    return kept[wanted]
