"""A shop that takes payments, Stripe beside it, and what can happen between the two."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import stripe
from werkzeug.test import TestResponse

from legacy_monolith import jobs
from tests.doubles.control import StripeControl
from tests.doubles.stripe.events import signature
from tests.integration.monolith.shop import ORDERS, Person, Shop, new_key

API_KEY, SECRET = "sk_test_of_the_shop", "whsec_of_the_shop"
WEBHOOKS = "/api/payments/webhooks/stripe"
STOCK = 5


@dataclass
class Bought:
    """An order of two chairs for 12.34 each, as its checkout was answered."""

    buyer: Person
    seller: Person
    product: int
    key: str
    answer: Any = None

    @property
    def id(self) -> int:
        return self.answer.get_json()["id"]

    @property
    def path(self) -> str:
        return f"{ORDERS}/{self.id}"

    @property
    def intent(self) -> str:
        return self.answer.get_json()["payment"]["client_secret"].partition("_secret_")[0]

    def shown(self) -> dict[str, Any]:
        return self.buyer.get(self.path).get_json()

    def states(self) -> tuple[str, str]:
        """The order's and its payment's."""
        shown = self.shown()
        return shown["state"], shown["payment"]["state"]

    def cancel(self) -> TestResponse:
        return self.buyer.post(f"{self.path}/cancel")

    def refund(self, amount: str, key: str | None = None) -> TestResponse:
        return self.seller.post(f"{self.path}/refunds", {"amount": amount}, Idempotency_Key=key or new_key())


def paying(new_shop: Callable[..., Shop], stripe_url: str) -> Shop:
    return new_shop(STRIPE_SECRET_KEY=API_KEY, STRIPE_WEBHOOK_SECRET=SECRET, STRIPE_BASE_URL=stripe_url)


def new_till(new_shop: Callable[..., Shop], stripe_url: str) -> Till:
    """With a shop that nobody else uses, and an empty account."""
    control = StripeControl(stripe_url)
    control.reset()
    return Till(paying(new_shop, stripe_url), control)


@dataclass
class Till:
    shop: Shop
    control: StripeControl
    heard: set[str] = field(default_factory=set)

    @cached_property
    def stripe(self) -> stripe.StripeClient:
        return stripe.StripeClient(API_KEY, base_addresses={"api": self.control.url})

    def buyer_with_cart(self, **fields: Any) -> Bought:
        """Everything but the checkout."""
        seller, buyer = self.shop.seller(), self.shop.person()
        product = seller.offer(**{"stock": STOCK, **fields})["id"]
        buyer.put_in_cart(product, 2)
        return Bought(buyer, seller, product, new_key())

    def check_out(self, bought: Bought) -> TestResponse:
        bought.answer = bought.buyer.check_out(bought.key)
        return bought.answer

    def order(self, **fields: Any) -> Bought:
        bought = self.buyer_with_cart(**fields)
        assert self.check_out(bought).status_code == 201, bought.answer.text
        return bought

    def paid_order(self) -> Bought:
        bought = self.order()
        self.pay(bought)
        self.hear_all()
        assert bought.states() == ("placed", "paid")
        return bought

    def pay(self, bought: Bought, card: str = "pm_card_visa") -> None:
        """What the buyer's browser does with the client secret."""
        self.stripe.v1.payment_intents.confirm(bought.intent, {"payment_method": card})

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        return [event for event in self.control.events() if kind in ("", event["type"])]

    def hear(self, event: dict[str, Any], secret: str = SECRET, age: float = 0) -> TestResponse:
        """One event as Stripe sends it."""
        payload = json.dumps(event, indent=2)
        headers = {"Stripe-Signature": signature(payload, secret, int(time.time() - age))}
        client = self.shop.app.test_client()
        return client.post(WEBHOOKS, data=payload, content_type="application/json", headers=headers)

    def hear_all(self) -> None:
        """All events that were not heard in this way, in their order."""
        for event in self.events():
            if event["id"] not in self.heard:
                assert self.hear(event).status_code == 204
                self.heard.add(event["id"])

    def let_time_pass(self) -> None:
        """As if nobody had worked on anything for longer than any grace, but still in time to pay."""
        for table in ("orders", "payments", "refunds"):
            self.shop.query(f"update {table} set retry_at = now() where retry_at is not null")

    def let_it_expire(self) -> None:
        self.shop.query("update payments set expires_at = now() where state = 'unpaid'")

    def run_jobs(self) -> None:
        """The background process, until it has nothing to do any more."""
        for _ in range(3):
            self.let_time_pass()
            jobs.finish_payments(self.shop.app)
            self.let_time_pass()
            jobs.finish_orders(self.shop.app)

    def charged(self) -> int:
        """What Stripe really holds of all buyers' money, in cents."""
        taken = sum(charge["amount"] for charge in self.control.charges() if charge["paid"])
        return taken - sum(refund["amount"] for refund in self.control.refunds())

    def require_agreement(self) -> None:
        """The shop knows what Stripe has, stock follows the orders, and all that is left is waiting to be paid."""
        self.shop.require_books_to_balance()
        kept = self.shop.query(
            "select coalesce(sum(amount - refunded), 0) from payments where state in"
            " ('paid', 'partly_refunded', 'refunded')"
        )
        assert kept[0][0] == self.charged()
        assert self.shop.query("select 1 from refunds where state = 'intended'") == []
        assert self.shop.query("select 1 from orders where retry_at is not null") == []
        assert self.shop.query("select 1 from payments where retry_at is not null and state <> 'unpaid'") == []
