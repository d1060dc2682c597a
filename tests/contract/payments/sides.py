"""The two implementations of the contract of payments, people who buy and sell there, and what Stripe tells them.

The catalog and the users are the monolith's in both cases; the service reaches the catalog over HTTP. Both sides share
one account at Stripe, so their orders have numbers of their own.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import psycopg
import stripe

from tests.doubles.control import StripeControl
from tests.doubles.stripe.events import signature
from tests.integration.catalog.identities import Issuer
from tests.support.clients import Answer, Client
from tests.support.waiting import wait_until

API_KEY, SECRET = "sk_test_of_both_sides", "whsec_of_both_sides"
CART, CHECKOUT, ORDERS = "/api/payments/cart", "/api/payments/checkout", "/api/payments/orders"
SALES, WEBHOOKS, PRODUCTS = "/api/payments/sales", "/api/payments/webhooks/stripe", "/api/catalog/products"
INTENTS = "/v1/payment_intents"


def new_key() -> str:
    return str(uuid.uuid4())


def problem(answer: Answer) -> tuple[int | None, str]:
    return answer.status, answer.json()["type"].removeprefix("/problems/")


@dataclass(frozen=True)
class Names:
    """What one side calls what tests reach into."""

    purchase: str
    payment: str
    refund: str
    due: str


MONOLITH_NAMES = Names("orders", "payments", "refunds", "retry_at")
SERVICE_NAMES = Names("purchase", "payment", "refund", "due_at")


@dataclass
class Person:
    """Somebody with two browsers: one at payments, one at the monolith. Answers are those of payments."""

    payments: Client
    monolith: Client
    id: int

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        # A copy, because a client makes one request at a time and a person may be in a hurry.
        return replace(self.payments, _connection=None).request(method, path, body, named)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        return self.send("POST", path, body, **headers)

    def offer(self, **fields: Any) -> int:
        """A new product of this seller."""
        usual = {"title": "Chair", "description": "Oak", "category": "home", "price": "12.34", "stock": 5}
        answer = self.monolith.post(PRODUCTS, {**usual, **fields})
        assert answer.status == 201, str(answer)
        return int(answer.json()["id"])

    def put_in_cart(self, product_id: int, quantity: int = 1) -> Answer:
        return self.send("PUT", f"{CART}/items/{product_id}", {"quantity": quantity})

    def cart(self) -> dict[int, int]:
        return {item["product_id"]: item["quantity"] for item in self.get(CART).json()["items"]}

    def check_out(self, key: str = "") -> Answer:
        return self.post(CHECKOUT, Idempotency_Key=key or new_key())


@dataclass
class Bought:
    """An order of two chairs for 12.34 each, as its checkout was answered."""

    side: Side
    buyer: Person
    seller: Person
    product: int
    key: str
    answer: Any = None

    @property
    def id(self) -> int:
        return int(self.answer.json()["id"])

    @property
    def path(self) -> str:
        return f"{ORDERS}/{self.id}"

    @property
    def intent(self) -> str:
        return str(self.answer.json()["payment"]["client_secret"].partition("_secret_")[0])

    def shown(self) -> dict[str, Any]:
        document: dict[str, Any] = self.buyer.get(self.path).json()
        return document

    def states(self) -> tuple[str, str]:
        """The order's and its payment's."""
        shown = self.shown()
        return shown["state"], shown["payment"]["state"]

    def wait_for(self, order: str, payment: str) -> None:
        """Background work runs all the time; it does at once what is due."""
        wait_until(lambda: self.states() == (order, payment), 20, f"order {self.id} is {order} and {payment}")

    def check_out(self) -> Answer:
        self.answer = self.buyer.check_out(self.key)
        return self.answer

    def cancel(self) -> Answer:
        return self.buyer.post(f"{self.path}/cancel")

    def refund(self, amount: str, key: str = "") -> Answer:
        return self.seller.post(f"{self.path}/refunds", {"amount": amount}, Idempotency_Key=key or new_key())

    def pay(self, card: str = "pm_card_visa") -> None:
        """What the buyer's browser does with the client secret."""
        self.side.stripe.v1.payment_intents.confirm(self.intent, {"payment_method": card})

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """What Stripe has to tell about it."""
        told = [(event, event["data"]["object"]) for event in self.side.control.events()]
        return [
            event
            for event, about in told
            if kind in ("", event["type"]) and self.intent in (about["id"], about.get("payment_intent"))
        ]

    def hear_all(self) -> None:
        for event in self.events():
            assert self.side.hear(event).status == 204

    def make_due(self, *changes: str) -> None:
        """As if nobody had worked on it for longer than any grace; with changes of its payment's columns."""
        names = self.side.names
        reference = "order_id" if names is MONOLITH_NAMES else "purchase_id"
        assignments = ", ".join([f"{names.due} = now()", *changes])
        self.side.query(f"update {names.payment} set {assignments} where {reference} = {self.id}")

    def charged(self) -> int:
        """What Stripe holds of the buyer's money, in cents."""
        control = self.side.control
        taken = sum(c["amount"] for c in control.charges() if c["paid"] and c["payment_intent"] == self.intent)
        return taken - sum(r["amount"] for r in control.refunds() if r["payment_intent"] == self.intent)

    def stock(self) -> int:
        return int(self.seller.monolith.get(f"{PRODUCTS}/{self.product}").json()["stock"])


@dataclass
class Side:
    url: str
    monolith_url: str
    dsn: str
    names: Names
    issuer: Issuer
    control: StripeControl
    is_service: bool

    @cached_property
    def stripe(self) -> stripe.StripeClient:
        return stripe.StripeClient(API_KEY, base_addresses={"api": self.control.url})

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """As superuser, past the application."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def visitor(self) -> Client:
        """Somebody who is not logged in."""
        return Client(self.url, keep_alive=False)

    def person(self, role: str = "buyer") -> Person:
        """A logged-in user that nobody was before."""
        browser = Client(self.monolith_url, keep_alive=False)
        form = {"email": f"{uuid.uuid4()}@example.org", "password": "correct horse", "name": "Ada", "role": role}
        answer = browser.post("/api/users/signup", form)
        assert answer.status == 201, str(answer)
        browser.csrf_token = browser.get("/api/users/csrf").json()["csrf_token"]
        user_id = answer.json()["id"]
        if not self.is_service:
            return Person(browser, browser, user_id)
        # Behind the proxy, which would put the identity into a header.
        identity = self.issuer.token(user_id, roles=["buyer", "seller"] if role == "seller" else ["buyer"])
        return Person(Client(self.url, keep_alive=False, headers={"X-Identity": identity}), browser, user_id)

    def seller(self) -> Person:
        return self.person("seller")

    def cart(self, **fields: Any) -> Bought:
        """Everything but the checkout."""
        seller, buyer = self.seller(), self.person()
        product = seller.offer(**fields)
        assert buyer.put_in_cart(product, 2).status == 200
        return Bought(self, buyer, seller, product, new_key())

    def order(self, **fields: Any) -> Bought:
        bought = self.cart(**fields)
        assert bought.check_out().status == 201, str(bought.answer)
        return bought

    def paid_order(self) -> Bought:
        bought = self.order()
        bought.pay()
        bought.hear_all()
        assert bought.states() == ("placed", "paid")
        return bought

    def hear(self, event: object, secret: str = SECRET, age: float = 0) -> Answer:
        """One event as Stripe sends it."""
        payload = json.dumps(event, indent=2)
        headers = {
            "Stripe-Signature": signature(payload, secret, int(time.time() - age)),
            "Content-Type": "application/json",
        }
        return self.visitor().request("POST", WEBHOOKS, payload.encode(), headers)
