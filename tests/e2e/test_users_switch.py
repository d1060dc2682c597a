"""The users themselves go there and back, and whoever is logged in does not notice (I8)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from migration_plan.lifecycle import Side
from tests.doubles.control import TwilioControl
from tests.integration.catalog.identities import Issuer
from tests.load.moving import Moving
from tests.support.clients import Answer, Client
from tests.support.stack import Stack
from tests.support.waiting import wait_until

ME, CART, PRODUCTS = "/api/users/me", "/api/payments/cart", "/api/catalog/products"
PASSWORD = "correct horse"


@dataclass
class Person:
    client: Client
    user: dict[str, Any]

    @classmethod
    def signed_up(cls, stack: Stack, role: str, remember: bool = False) -> Person:
        client = Client(stack.env["FIG_PUBLIC_URL"], keep_alive=False)
        form = {"email": f"{uuid.uuid4()}@example.org", "password": PASSWORD, "name": "Ada", "role": role}
        answer = client.post("/api/users/signup", form)
        assert answer.status == 201, answer
        somebody = cls(client, answer.json())
        if remember:
            somebody.fetch_token()
            assert somebody.log_in(remember=True).status == 200
        somebody.fetch_token()
        return somebody

    def log_in(self, remember: bool = False) -> Answer:
        return self.client.post(
            "/api/users/login", {"email": self.user["email"], "password": PASSWORD, "remember": remember}
        )

    def fetch_token(self) -> None:
        self.client.csrf_token = self.client.get("/api/users/csrf").json()["csrf_token"]

    def close_browser(self) -> None:
        self.client.cookies.pop("session")
        self.fetch_token()

    def offer(self) -> int:
        form = {"title": "Lamp", "description": "", "category": "light", "price": "12.34", "stock": 500}
        answer = self.client.post(PRODUCTS, form)
        assert answer.status == 201, answer
        return int(answer.json()["id"])

    def put_in_cart(self, product: int) -> None:
        answer = self.client.request("PUT", f"{CART}/items/{product}", {"quantity": 2})
        assert answer.status == 200, answer

    def cart(self) -> list[int]:
        return [item["product_id"] for item in self.client.get(CART).json()["items"]]

    def stolen(self) -> Client:
        return replace(self.client, cookies=dict(self.client.cookies), _connection=None)


@pytest.fixture(scope="module")
def moving(stack: Stack) -> Iterator[Moving]:
    # Somebody has to listen to what is told, or no switch finds it all told.
    stack.up("users-1", "twilio", "monolith-events")
    moving = Moving(stack, "users")
    moving.begin_sync()
    yield moving
    moving.give_to(Side.MONOLITH)


@pytest.fixture(scope="module", params=[Side.MONOLITH, Side.SERVICE])
def owner(request: pytest.FixtureRequest, moving: Moving) -> Side:
    """Of a module's scope, so that the tests are run owner by owner: a switch takes its time."""
    side: Side = request.param
    moving.give_to(side)
    return side


def test_session_remembering_token_role_and_cart_survive_the_switch_both_ways(stack: Stack, moving: Moving) -> None:
    moving.give_to(Side.MONOLITH)
    seller, buyer = Person.signed_up(stack, "seller"), Person.signed_up(stack, "buyer", remember=True)
    product = seller.offer()
    buyer.put_in_cart(product)
    for owner in (Side.SERVICE, Side.MONOLITH):
        moving.give_to(owner)
        assert [person.client.get(ME).json() for person in (seller, buyer)] == [seller.user, buyer.user]
        # The token of before is still the session's, and the role is still theirs.
        seller.offer()
        assert buyer.cart() == [product]
        buyer.close_browser()
        buyer.put_in_cart(product)
    assert moving.differences() == 0


def test_a_logout_counts_at_once_here_and_for_a_stolen_cookie_within_seconds(stack: Stack, owner: Side) -> None:
    somebody = Person.signed_up(stack, "buyer")
    thief = somebody.stolen()
    assert thief.get(CART).status == 200
    assert somebody.client.post("/api/users/logout").status == 204
    assert somebody.client.get(CART).status == 401
    assert thief.get(ME).status == 401
    # What the proxy has found out about a cookie it believes for `cache_seconds`.
    wait_until(lambda: thief.get(CART).status == 401, 7, "the copied cookie is worth nothing", every=0.2)


def test_who_becomes_somebody_else_is_somebody_else_at_once(stack: Stack, owner: Side) -> None:
    """The proxy knows a session by its cookie, which changes with the user and with their role."""
    first, second = Person.signed_up(stack, "buyer"), Person.signed_up(stack, "seller")
    product = second.offer()
    first.put_in_cart(product)
    browser = Person(first.client, second.user)
    assert browser.log_in().json() == second.user
    browser.fetch_token()
    assert browser.cart() == []
    browser.offer()


def test_an_identity_that_comes_from_outside_is_nobodys(stack: Stack, owner: Side) -> None:
    somebody = Person.signed_up(stack, "seller")
    key = (stack.state / "keys" / "identity.pem").read_bytes()
    visitor = Client(stack.env["FIG_PUBLIC_URL"], keep_alive=False)
    for issuer in (Issuer(), Issuer.of(key)):
        headers = {"X-Identity": issuer.token(somebody.user["id"])}
        assert [visitor.get(path, headers).status for path in (CART, ME)] == [401, 401]
        assert visitor.post(PRODUCTS, {}, headers).status == 401


def test_a_code_asked_for_here_is_given_back_there_and_a_password_changed_there_counts_here(
    stack: Stack, moving: Moving
) -> None:
    twilio = TwilioControl(f"http://127.0.0.1:{stack.ports['twilio']}")
    for here, there in ((Side.SERVICE, Side.MONOLITH), (Side.MONOLITH, Side.SERVICE)):
        moving.give_to(here)
        somebody, number = Person.signed_up(stack, "buyer"), f"+4915{uuid.uuid4().int % 10**9:09}"
        thief = somebody.stolen()
        assert somebody.client.post("/api/users/phone", {"phone": number}).status == 202
        moving.give_to(there)
        [message] = twilio.messages(number)
        verified = somebody.client.post("/api/users/phone/verify", {"code": message["body"][:6]})
        assert verified.json() == {**somebody.user, "phone": number}
        assert somebody.client.post("/api/users/seller").json()["role"] == "seller"
        somebody.offer()
        change = {"current_password": PASSWORD, "new_password": "a better horse"}
        assert somebody.client.post("/api/users/password", change).status == 204
        assert (somebody.client.get(ME).status, thief.get(ME).status) == (200, 401)
        moving.give_to(here)
        assert (somebody.client.get(ME).status, thief.get(ME).status) == (200, 401)
        assert somebody.log_in().status == 401
        assert len(twilio.messages(number)) == 1


def test_who_signs_up_there_can_use_everything_here_at_once_and_is_known_after_the_way_back(
    stack: Stack, moving: Moving
) -> None:
    moving.give_to(Side.SERVICE)
    product = Person.signed_up(stack, "seller").offer()
    newcomers = [Person.signed_up(stack, "seller") for _ in range(3)]
    for newcomer in newcomers:
        newcomer.put_in_cart(product)
        newcomer.offer()
    moving.give_to(Side.MONOLITH)
    for newcomer in newcomers:
        assert newcomer.cart() == [product]
        assert newcomer.log_in().json() == newcomer.user
