"""The two implementations of the catalog's contract, as processes, and people who use them."""

from __future__ import annotations

import itertools
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

from tests.integration.catalog.identities import Issuer
from tests.support.clients import Answer, Client

PRODUCTS = "/api/catalog/products"
RESERVATIONS = "/internal/catalog/reservations"
_number = itertools.count(1)


def new_key() -> str:
    return str(uuid.uuid4())


@dataclass
class Person:
    """Somebody with a browser. A method's answer is the answer of the side, whatever it is."""

    client: Client
    id: int = 0

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        # A copy, because a client makes one request at a time and a person may be in a hurry.
        return replace(self.client, _connection=None).request(method, path, body, named)

    def offer(self, **fields: Any) -> dict[str, Any]:
        """A new product of this seller."""
        usual = {"title": "Chair", "description": "Oak", "category": "home", "price": "12.34", "stock": 5}
        answer = self.send("POST", PRODUCTS, {**usual, **fields})
        assert answer.status == 201, str(answer)
        product: dict[str, Any] = answer.json()
        return product

    def adjust(self, product_id: int, delta: int, key: str = "") -> Answer:
        body = {"delta": delta, "request_key": key or new_key()}
        return self.send("POST", f"{PRODUCTS}/{product_id}/stock", body)

    def reserve(self, key: str, *lines: tuple[int, int]) -> Answer:
        body = {"lines": [{"product_id": product_id, "quantity": quantity} for product_id, quantity in lines]}
        return self.send("PUT", f"{RESERVATIONS}/{key}", body)

    def settle(self, key: str, how: str) -> Answer:
        return self.send("POST", f"{RESERVATIONS}/{key}/{how}")

    def stock(self, product_id: int) -> int:
        return int(self.get(f"{PRODUCTS}/{product_id}").json()["stock"])


@dataclass
class Side(ABC):
    url: str

    def visitor(self) -> Person:
        """Somebody who is not logged in."""
        return Person(Client(self.url, keep_alive=False))

    @abstractmethod
    def person(self, role: str = "seller", csrf: bool = True) -> Person:
        """A logged-in user that nobody was before."""

    def seller(self) -> Person:
        return self.person()


@dataclass
class Service(Side):
    """Behind the proxy, which would put the identity into a header."""

    issuer: Issuer

    def person(self, role: str = "seller", csrf: bool = True) -> Person:
        user_id = 1_000_000 + next(_number)
        roles = ["buyer", "seller"] if role == "seller" else ["buyer"]
        identity = self.issuer.token(user_id, roles=roles, csrf=csrf)
        return Person(Client(self.url, keep_alive=False, headers={"X-Identity": identity}), user_id)


@dataclass
class Monolith(Side):
    """With its own session cookie and CSRF token."""

    database: str = ""

    def person(self, role: str = "seller", csrf: bool = True) -> Person:
        client = Client(self.url, keep_alive=False)
        form = {"email": f"{uuid.uuid4()}@example.org", "password": "correct horse", "name": "Ada", "role": role}
        answer = client.post("/api/users/signup", form)
        assert answer.status == 201, str(answer)
        if csrf:
            client.csrf_token = client.get("/api/users/csrf").json()["csrf_token"]
        return Person(client, answer.json()["id"])
