"""Somebody buys one piece after the other, somebody sells them, and Stripe says what it has to say, or not."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from migration_plan.lifecycle import Side
from tests.doubles.control import StripeControl
from tests.doubles.faults import Kind
from tests.doubles.stripe.events import signature
from tests.load.purse import GOOD_CARD, Purse
from tests.shop.in_flight.people import ORDERS, Person, Rows
from tests.support.clients import Client
from tests.support.stack import Stack
from tests.support.waiting import wait_until

PRICE, CENTS = "12.34", 1234
WEBHOOKS = "/api/payments/webhooks/stripe"
# As often as the shop asks Stripe in one request: no answer comes through.
ATTEMPTS = 3


@dataclass(frozen=True)
class Names:
    """What a side calls its tables and columns."""

    payment: str
    refund: str
    order: str
    due: str


NAMES = {
    Side.MONOLITH: Names("payments", "refunds", "order_id", "retry_at"),
    Side.SERVICE: Names("payment", "refund", "purchase_id", "due_at"),
}


@dataclass
class Ledger:
    """What background work of one side goes by."""

    rows: Rows
    names: Names

    @classmethod
    def of(cls, stack: Stack, side: Side) -> Ledger:
        return cls(Rows.of(stack, "payments", side), NAMES[side])

    def put_off(self) -> None:
        """Nothing becomes due here: whatever is open is left to the other side."""
        for table in (self.names.payment, self.names.refund):
            due = self.names.due
            self.rows.query(f"update {table} set {due} = now() + interval '1 hour' where {due} is not null")

    def make_due(self) -> None:
        """As if all grace were over, for refunds that were decided and for intents whose name nobody heard."""
        self.rows.query(f"update {self.names.refund} set {self.names.due} = now() where state = 'intended'")
        self.rows.query(
            f"update {self.names.payment} set {self.names.due} = now() where intent is null and state = 'unpaid'"
        )

    def intent(self, order: int) -> str | None:
        query = f"select intent from {self.names.payment} where {self.names.order} = %s"
        return str(found) if (found := self.rows.query(query, order)[0][0]) else None


@dataclass
class Buying:
    """One seller with one product, one buyer; orders are told apart by their numbers."""

    stack: Stack
    control: StripeControl
    seller: Person
    buyer: Person
    product: int
    purse: Purse
    keys: dict[int, str] = field(default_factory=dict)
    secrets: dict[int, str] = field(default_factory=dict)

    @classmethod
    def begun(cls, stack: Stack, control: StripeControl) -> Buying:
        seller, buyer = Person.signed_up(stack, "seller"), Person.signed_up(stack)
        settings = buyer.client.get("/api/payments/config").json()
        purse = Purse.of(settings["script"], settings["publishable_key"])
        return cls(stack, control, seller, buyer, seller.offer(PRICE, 100), purse)

    def order(self, who: Person | None = None) -> int:
        """The cart of `who` as it is; the buyer's is filled before."""
        if who is None:
            self.buyer.put_in_cart(self.product)
        key = str(uuid.uuid4())
        answer = (who or self.buyer).check_out(key)
        assert answer.status == 201, str(answer)
        order = answer.json()
        self.keys[order["id"]] = key
        self.secrets[order["id"]] = order["payment"]["client_secret"]
        return int(order["id"])

    def order_without_answer(self) -> int:
        """The intent is made, and nobody in the shop hears its name."""
        self.buyer.put_in_cart(self.product)
        self.control.fail(Kind.LOST, ATTEMPTS, method="POST", path="/v1/payment_intents")
        key = str(uuid.uuid4())
        answer = self.buyer.check_out(key)
        assert answer.status == 503, str(answer)
        order = self.buyer.newest_order()
        self.keys[order] = key
        return order

    def check_out_again(self, order: int) -> None:
        """The same request: the same order, and now the secret to pay it with."""
        answer = self.buyer.check_out(self.keys[order])
        assert (answer.status, answer.json()["id"]) == (200, order), str(answer)
        self.secrets[order] = answer.json()["payment"]["client_secret"]

    def pay(self, order: int) -> None:
        """In the browser; the shop is told by webhooks only."""
        answer = self.purse.pay(self.secrets[order], GOOD_CARD)
        assert (answer.status, answer.json()["status"]) == (200, "succeeded"), str(answer)

    def paid_order(self) -> int:
        order = self.order()
        self.pay(order)
        self.wait_for(order, "placed", "paid")
        return order

    def give_back_without_answer(self, order: int, amount: str) -> None:
        """Stripe gives it back, and nobody in the shop hears of it."""
        self.control.fail(Kind.LOST, ATTEMPTS, method="POST", path="/v1/refunds")
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answer = self.seller.client.post(f"{ORDERS}/{order}/refunds", {"amount": amount}, headers)
        assert (answer.status, answer.json()["state"]) == (202, "intended"), str(answer)

    def cancel(self, order: int) -> None:
        answer = self.buyer.client.post(f"{ORDERS}/{order}/cancel")
        assert answer.status in (200, 202), str(answer)

    def states(self, order: int, who: Person | None = None) -> tuple[str, str]:
        shown = (who or self.buyer).client.get(f"{ORDERS}/{order}").json()
        return shown["state"], shown["payment"]["state"]

    def wait_for(self, order: int, state: str, payment: str, who: Person | None = None) -> None:
        wanted = (state, payment)
        wait_until(lambda: self.states(order, who) == wanted, 60, f"order {order} is {wanted}", every=0.1)

    def stock(self) -> int:
        return int(self.seller.client.get(f"/api/catalog/products/{self.product}").json()["stock"])

    # What Stripe knows, and says.

    def intents(self, order: int) -> list[str]:
        return [one["id"] for one in self.control.intents() if one["metadata"].get("order") == str(order)]

    def charged(self, order: int) -> list[int]:
        intents = self.intents(order)
        return [one["amount"] for one in self.control.charges() if one["paid"] and one["payment_intent"] in intents]

    def given_back(self, order: int) -> list[int]:
        intents = self.intents(order)
        return [one["amount"] for one in self.control.refunds() if one["payment_intent"] in intents]

    def events(self, order: int, kind: str = "") -> list[dict[str, Any]]:
        intents = self.intents(order)
        told = [(event, event["data"]["object"]) for event in self.control.events()]
        return [
            event
            for event, about in told
            if kind in ("", event["type"]) and (about["id"] in intents or about.get("payment_intent") in intents)
        ]

    def hear(self, event: object, secret: str, age: float) -> int | None:
        """An event as Stripe sends it, or somebody who has listened, or guesses."""
        payload = json.dumps(event, indent=2)
        headers = {"Stripe-Signature": signature(payload, secret, int(time.time() - age))}
        anybody = Client(self.stack.env["FIG_PUBLIC_URL"], keep_alive=False)
        return anybody.request("POST", WEBHOOKS, payload.encode(), headers).status

    def hear_forgeries(self, order: int) -> list[int | None]:
        """That it is paid: signed by somebody else, and a signature of Stripe's own from six minutes ago."""
        [event] = self.events(order, "payment_intent.succeeded")
        own = self.stack.env["STRIPE_WEBHOOK_SECRET"]
        return [self.hear(event, "whsec_of_somebody_else", 0), self.hear(event, own, 360)]

    def hear_all(self) -> None:
        """Whatever Stripe has withheld or could not deliver so far."""

        def heard() -> bool:
            self.control.release_webhooks()
            return all(one["delivered"] for one in self.control.deliveries())

        wait_until(heard, 60, "every webhook is taken", every=0.3)

    def hear_all_again(self, orders: list[int]) -> None:
        """Each event once more, as Stripe may do days later."""
        for order in orders:
            for event in self.events(order):
                self.control.resend(event["id"])
        self.hear_all()


def subjects(mails: list[dict[str, Any]]) -> Counter[str]:
    """How often each was sent, but for the welcome."""
    return Counter(one["subject"] for one in mails if not one["subject"].startswith("Welcome"))
