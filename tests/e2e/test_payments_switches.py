"""Payments move while somebody is about to pay, there and back: charged exactly once, and nobody is told otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import stripe

from migration_plan.lifecycle import Side
from tests.doubles.control import StripeControl
from tests.load.moving import Moving
from tests.support.clients import Client
from tests.support.stack import CATALOG_ONLY, Stack, running_stack
from tests.support.waiting import wait_until

# A stack of its own, since all others take no money.
pytestmark = pytest.mark.full

ORDERS = "/api/payments/orders"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A shop that takes money, with few rows."""
    shop = {"SHOP_MONEY": "on", "SHOP_ORDERS": "50", "SHOP_PRODUCTS": "50"}
    # Somebody has to listen to what is told, or no switch finds it all told.
    yield from running_stack(shop, *CATALOG_ONLY, "payments-1", "stripe", "monolith-events")


@dataclass
class People:
    """A seller with one product, somebody who buys it, and what Stripe knows."""

    seller: Client
    buyer: Client
    product: int
    control: StripeControl
    stripe: stripe.StripeClient

    def order(self) -> dict[str, Any]:
        put = self.buyer.request("PUT", f"/api/payments/cart/items/{self.product}", {"quantity": 1})
        assert put.status == 200, str(put)
        answer = self.buyer.post("/api/payments/checkout", headers={"Idempotency-Key": str(uuid.uuid4())})
        assert answer.status == 201, str(answer)
        order: dict[str, Any] = answer.json()
        return order

    def pay(self, order: dict[str, Any]) -> None:
        """In the browser; the shop is told by a webhook, through the proxy."""
        intent = order["payment"]["client_secret"].partition("_secret_")[0]
        self.stripe.v1.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})

    def wait_for(self, order: dict[str, Any], state: str, payment: str) -> None:
        def states() -> tuple[str, str]:
            shown = self.buyer.get(f"{ORDERS}/{order['id']}").json()
            return shown["state"], shown["payment"]["state"]

        wait_until(lambda: states() == (state, payment), 60, f"order {order['id']} is {state} and {payment}")

    def charged(self) -> int:
        taken = sum(charge["amount"] for charge in self.control.charges() if charge["paid"])
        return taken - sum(refund["amount"] for refund in self.control.refunds())

    def stock(self) -> int:
        return int(self.buyer.get(f"/api/catalog/products/{self.product}").json()["stock"])


def logged_in(stack: Stack, role: str) -> Client:
    client = Client(stack.env["FIG_PUBLIC_URL"])
    form = {"email": f"{uuid.uuid4()}@example.org", "password": "correct horse", "name": role, "role": role}
    assert client.post("/api/users/signup", form).status == 201
    client.csrf_token = client.get("/api/users/csrf").json()["csrf_token"]
    return client


@pytest.fixture
def people(stack: Stack) -> People:
    seller, buyer = logged_in(stack, "seller"), logged_in(stack, "buyer")
    form = {"title": "Lamp", "description": "", "category": "light", "price": "12.34", "stock": 9}
    product = seller.post("/api/catalog/products", form).json()["id"]
    url = f"http://127.0.0.1:{stack.ports['stripe']}"
    client = stripe.StripeClient(stack.env["STRIPE_DOUBLE_KEY"], base_addresses={"api": url})
    return People(seller, buyer, product, StripeControl(url), client)


def test_payments_in_flight_are_made_once_whoever_owns_them_by_then(stack: Stack, people: People) -> None:
    moving = Moving(stack, "payments")
    moving.begin_sync()
    before, stock = people.charged(), people.stock()
    begun_here, unwanted = people.order(), people.order()
    people.pay(unwanted)
    people.wait_for(unwanted, "placed", "paid")
    moving.give_to(Side.SERVICE)
    # Begun there, paid here; cancelled here, what was paid there.
    people.pay(begun_here)
    people.wait_for(begun_here, "placed", "paid")
    assert people.buyer.post(f"{ORDERS}/{unwanted['id']}/cancel").json()["state"] == "cancelled"
    begun_there = people.order()
    assert begun_there["id"] > unwanted["id"]
    moving.give_to(Side.MONOLITH)
    people.pay(begun_there)
    people.wait_for(begun_there, "placed", "paid")
    people.wait_for(unwanted, "cancelled", "refunded")
    assert people.charged() - before == 2 * 1234
    assert people.stock() == stock - 2
    assert len(people.seller.get("/api/payments/sales").json()["items"]) == 3
    assert moving.differences() == 0


def test_a_cart_lives_through_a_switch_and_is_ordered_on_the_other_side(stack: Stack, people: People) -> None:
    moving = Moving(stack, "payments")
    moving.begin_sync()
    path = f"/api/payments/cart/items/{people.product}"
    assert people.buyer.request("PUT", path, {"quantity": 3}).status == 200
    for taker, quantity in ((Side.SERVICE, 4), (Side.MONOLITH, 5)):
        moving.give_to(taker)
        [item] = people.buyer.get("/api/payments/cart").json()["items"]
        assert (item["product_id"], item["quantity"], item["title"]) == (people.product, quantity - 1, "Lamp")
        assert people.buyer.request("PUT", path, {"quantity": quantity}).status == 200
