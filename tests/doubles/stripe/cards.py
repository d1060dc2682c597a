"""Stripe's test cards, by number, payment method and token, and what becomes of a payment with each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A card that works, declines (`code`, `decline_code`), or asks its owner first (`challenge`)."""

    last4: str
    brand: str = "visa"
    code: str = ""
    decline_code: str = ""
    challenge: bool = False

    @property
    def declines(self) -> bool:
        return bool(self.code)


def _declined(last4: str, decline_code: str) -> Card:
    return Card(last4, code="card_declined", decline_code=decline_code)


MESSAGES = {
    "card_declined": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}

_NUMBERS = {
    "4242424242424242": Card("4242"),
    "5555555555554444": Card("4444", "mastercard"),
    "378282246310005": Card("0005", "amex"),
    "4000000000000002": _declined("0002", "generic_decline"),
    "4000000000009995": _declined("9995", "insufficient_funds"),
    "4000000000009987": _declined("9987", "lost_card"),
    "4000000000009979": _declined("9979", "stolen_card"),
    "4000000000006975": _declined("6975", "card_velocity_exceeded"),
    "4000000000000069": Card("0069", code="expired_card", decline_code="expired_card"),
    "4000000000000127": Card("0127", code="incorrect_cvc", decline_code="incorrect_cvc"),
    "4000000000000119": Card("0119", code="processing_error", decline_code="processing_error"),
    "4000002500003155": Card("3155", challenge=True),
    "4000002760003184": Card("3184", challenge=True),
    "4000000000003220": Card("3220", challenge=True),
    "4000008260003178": Card("3178", code="card_declined", decline_code="insufficient_funds", challenge=True),
    "4000008400001629": Card("1629", code="card_declined", decline_code="generic_decline", challenge=True),
}

# The part after `pm_card_` or `tok_`; Stripe writes some of them with `visa_` in front, some without.
_NAMES = {
    "visa": "4242424242424242",
    "mastercard": "5555555555554444",
    "amex": "378282246310005",
    "chargeDeclined": "4000000000000002",
    "chargeDeclinedInsufficientFunds": "4000000000009995",
    "chargeDeclinedLostCard": "4000000000009987",
    "chargeDeclinedStolenCard": "4000000000009979",
    "chargeDeclinedVelocityLimitExceeded": "4000000000006975",
    "chargeDeclinedExpiredCard": "4000000000000069",
    "chargeDeclinedIncorrectCvc": "4000000000000127",
    "chargeDeclinedProcessingError": "4000000000000119",
    "authenticationRequired": "4000002760003184",
    "threeDSecure2Required": "4000000000003220",
    "authenticationRequiredChargeDeclinedInsufficientFunds": "4000008260003178",
    "threeDSecureRequiredChargeDeclined": "4000008400001629",
}


def by_number(number: str) -> Card | None:
    return _NUMBERS.get(number.replace(" ", ""))


def by_name(name: str) -> Card | None:
    """The card behind `pm_card_…` or `tok_…`."""
    for prefix in ("pm_card_", "tok_"):
        if name.startswith(prefix):
            short = name.removeprefix(prefix)
            number = _NAMES.get(short) or _NAMES.get(short.removeprefix("visa_"))
            return _NUMBERS[number] if number else None
    return None
