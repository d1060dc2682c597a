"""What a buyer pays with: the one request of the browser that goes to Stripe, not to the shop."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

from tests.support.clients import Answer, Client

GOOD_CARD, EMPTY_CARD = "pm_card_visa", "pm_card_visa_chargeDeclinedInsufficientFunds"


class NotOurStripe(AssertionError):
    """The shop takes real money, or at least real requests; load is for the double only."""


@dataclass(frozen=True)
class Purse:
    """A browser's view of Stripe: where it is, and the shop's publishable key."""

    client: Client
    key: str

    @classmethod
    def of(cls, script: str, key: str) -> Purse:
        parts = urlsplit(script)
        try:
            local = ip_address(parts.hostname or "").is_loopback
        except ValueError:
            local = False
        if not local:
            raise NotOurStripe(f"the shop's payments go to {parts.hostname}")
        return cls(Client(f"{parts.scheme}://{parts.netloc}", keep_alive=False), key)

    def pay(self, secret: str, card: str) -> Answer:
        """Confirm the PaymentIntent that `secret` belongs to, with this card."""
        intent = secret.partition("_secret_")[0]
        form = {"key": self.key, "client_secret": secret, "payment_method": card}
        return self.client.post(
            f"/v3/payment_intents/{intent}/confirm",
            urlencode(form).encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
