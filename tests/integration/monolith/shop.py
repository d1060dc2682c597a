"""A shop on a real database: the application in this process, and people who use it."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from legacy_monolith import create_app
from legacy_monolith.database import ENGINE_OPTIONS, db
from tests.support.postgres import PostgresServer

PASSWORD = "correct horse battery staple"
PRODUCTS = "/api/catalog/products"
ORDERS = "/api/payments/orders"
_number = itertools.count(1)


def new_key() -> str:
    return str(uuid.uuid4())


def problem(answer: TestResponse) -> tuple[int, str]:
    """Status and kind of a refusal."""
    return answer.status_code, answer.get_json()["type"].removeprefix("/problems/")


@dataclass
class Person:
    """Somebody with a browser; each thread needs an own one."""

    client: FlaskClient
    csrf_token: str = ""
    user: dict[str, Any] = field(default_factory=dict)

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.client.get(path, **kwargs)

    def send(self, method: str, path: str, body: object = None, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.csrf_token:
            named.setdefault("X-CSRF-Token", self.csrf_token)
        return self.client.open(path, method=method, json=body, headers=named)

    def post(self, path: str, body: object = None, **headers: str) -> TestResponse:
        return self.send("POST", path, body, **headers)

    def fetch_token(self) -> None:
        self.csrf_token = self.get("/api/users/csrf").get_json()["csrf_token"]

    def offer(self, **fields: Any) -> dict[str, Any]:
        """A product of this seller."""
        form = {"title": "Chair", "description": "Oak", "category": "home", "price": "12.34", "stock": 5}
        answer = self.post(PRODUCTS, {**form, **fields})
        assert answer.status_code == 201, answer.text
        return answer.get_json()

    def put_in_cart(self, product_id: int, quantity: int = 1) -> TestResponse:
        return self.send("PUT", f"/api/payments/cart/items/{product_id}", {"quantity": quantity})

    def check_out(self, key: str | None = None) -> TestResponse:
        return self.post("/api/payments/checkout", Idempotency_Key=key or new_key())

    def cart(self) -> dict[int, int]:
        items = self.get("/api/payments/cart").get_json()["items"]
        return {item["product_id"]: item["quantity"] for item in items}


@dataclass
class Shop:
    """One application with its own database."""

    server: PostgresServer
    database: str
    identity_key: Path
    settings: dict[str, Any] = field(default_factory=dict)
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        self.app = create_app(
            {
                "SQLALCHEMY_DATABASE_URI": self.url("shop_app"),
                "SECRET_KEY": "of a throw-away shop",
                "IDENTITY_PRIVATE_KEY_FILE": str(self.identity_key),
                "SQLALCHEMY_ENGINE_OPTIONS": ENGINE_OPTIONS,
                **self.settings,
            }
        )

    def url(self, user: str) -> str:
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.server.port}/{self.database}"

    def close(self) -> None:
        with self.app.app_context():
            db.engine.dispose()
        self.app.extensions["remote_stock"].close()
        self.app.extensions["contacts"].close()
        if messages := self.app.extensions["messages"]:
            messages.close()
        if gateway := self.app.extensions["gateway"]:
            gateway.close()

    def clear(self) -> None:
        """Empty every table, past any fence."""
        with psycopg.connect(self.server.dsn(self.database), autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(
                "truncate users, stock_reservations, rate_limits, notifications_inbox, users_outbox, payments_outbox"
                " restart identity cascade"
            )

    def visitor(self) -> Person:
        return Person(self.app.test_client())

    def person(self, role: str = "buyer") -> Person:
        somebody = self.visitor()
        name = f"{role}{next(_number)}"
        form = {"email": f"{name}@example.test", "password": PASSWORD, "name": name, "role": role}
        answer = somebody.post("/api/users/signup", form)
        assert answer.status_code == 201, answer.text
        somebody.user = answer.get_json()
        somebody.fetch_token()
        return somebody

    def seller(self) -> Person:
        return self.person("seller")

    def same_person(self, person: Person) -> Person:
        """The same session in another browser tab, for another thread."""
        other = Person(self.app.test_client(), person.csrf_token, person.user)
        cookie = person.client.get_cookie("session")
        assert cookie is not None
        other.client.set_cookie("session", cookie.value)
        return other

    def logged_in(self, person: Person, password: str = PASSWORD, remember: bool = False) -> Person:
        """The same user in another browser, with a session of its own."""
        other = self.visitor()
        form = {"email": person.user["email"], "password": password, "remember": remember}
        answer = other.post("/api/users/login", form)
        assert answer.status_code == 200, answer.text
        other.user = answer.get_json()
        other.fetch_token()
        return other

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """As superuser, past the application."""
        with psycopg.connect(self.server.dsn(self.database), autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def stock(self, product_id: int) -> int:
        return self.query("select stock from products where id = %s", product_id)[0][0]

    def require_books_to_balance(self) -> None:
        """Stock is the sum of the movements, and what is gone is in reservations that are not released."""
        assert not self.query(
            "select p.id, p.stock, sum(m.delta) from products p left join stock_movements m on m.product_id = p.id"
            " group by p.id having p.stock <> coalesce(sum(m.delta), 0)"
        )
        assert not self.query(
            "select product_id from (select product_id, -delta as units from stock_movements"
            " where reason in ('sale', 'return')"
            " union all select product_id, -quantity from stock_reservation_lines l"
            " join stock_reservations r on r.key = l.reservation_key where r.state <> 'released') moved"
            " group by product_id having sum(units) <> 0"
        )
