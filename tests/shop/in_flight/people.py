"""People in the shop, one attempt for each request, and the rows behind what they see."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from migration_plan.lifecycle import Side
from tests.support.clients import Answer, Attempt, Client
from tests.support.stack import Stack

CART, CHECKOUT, ORDERS = "/api/payments/cart", "/api/payments/checkout", "/api/payments/orders"
PRODUCTS, MESSAGES = "/api/catalog/products", "/api/notifications/messages"


def new_address() -> str:
    return f"{uuid.uuid4()}@example.org"


def uncounted(attempt: Attempt) -> None:
    """For people whose attempts nobody counts."""


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in; each request has a connection of its own."""

    client: Client
    id: int
    email: str

    @classmethod
    def signed_up(
        cls, stack: Stack, role: str = "buyer", email: str = "", record: Callable[[Attempt], None] = uncounted
    ) -> Person:
        client = Client(stack.env["FIG_PUBLIC_URL"], keep_alive=False, record=record)
        form = {"email": email or new_address(), "password": "correct horse", "name": "Ada", "role": role}
        answer = client.post("/api/users/signup", form)
        assert answer.status == 201, str(answer)
        client.csrf_token = client.get("/api/users/csrf").json()["csrf_token"]
        return cls(client, answer.json()["id"], form["email"])

    def offer(self, price: str, stock: int) -> int:
        form = {"title": "Lamp", "description": "", "category": "light", "price": price, "stock": stock}
        answer = self.client.post(PRODUCTS, form)
        assert answer.status == 201, str(answer)
        return int(answer.json()["id"])

    def put_in_cart(self, product: int, quantity: int = 1) -> None:
        answer = self.client.request("PUT", f"{CART}/items/{product}", {"quantity": quantity})
        assert answer.status == 200, str(answer)

    def check_out(self, key: str) -> Answer:
        return self.client.post(CHECKOUT, headers={"Idempotency-Key": key})

    def newest_order(self) -> int:
        return int(self.client.get(ORDERS).json()["items"][0]["id"])

    def told(self) -> list[tuple[str, str]]:
        """The history of messages as the person sees it, newest first: subjects and states."""
        answer = self.client.get(MESSAGES)
        assert answer.status == 200, str(answer)
        return [(one["subject"], one["state"]) for one in answer.json()["items"]]


@dataclass(frozen=True)
class Rows:
    """One side's rows, past the application: to let time pass, and to see what nobody is shown."""

    dsn: str

    @classmethod
    def of(cls, stack: Stack, domain: str, side: Side) -> Rows:
        database = "MONOLITH" if side is Side.MONOLITH else domain.upper()
        return cls(stack.env[f"FIG_{database}_ADMIN_DSN"])

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []
