"""Users that are owned elsewhere: their owner's statement counts here, and nothing else does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask_login.utils import encode_cookie
from werkzeug.test import Client

from legacy_monolith import identity
from proxy.middleware import guard
from tests.integration.catalog.identities import Issuer
from tests.integration.monolith.elsewhere import move_away, own
from tests.integration.monolith.shop import PASSWORD, PRODUCTS, Person, Shop, problem

CART, SESSION = "/api/payments/cart", "/internal/users/session"
FORM = {"title": "T", "description": "", "category": "home", "price": "1", "stock": 1}


@pytest.fixture(scope="module")
def users_away(new_shop: Callable[..., Shop]) -> Shop:
    shop = new_shop()
    move_away(shop, "users")
    return shop


@pytest.fixture
def shop(users_away: Shop) -> Shop:
    users_away.clear()
    own(users_away, "users", False)
    return users_away


@pytest.fixture
def issuer(identity_key: Path) -> Issuer:
    """Whoever owns the users: it has the same key."""
    return Issuer.of(identity_key.read_bytes())


def copy_user(shop: Shop, user_id: int) -> None:
    """What the stream does."""
    statement = "insert into users (id, email, password_hash, name, role) values (%s, %s, '', 'N', 'seller')"
    shop.query(f"set session_replication_role = replica; {statement % (user_id, repr(f'{user_id}@x.y'))}")


def stated(shop: Shop, token: str) -> Person:
    somebody = shop.visitor()
    somebody.client.environ_base["HTTP_X_IDENTITY"] = token
    return somebody


def test_whom_the_statement_names_is_known_with_their_roles_and_their_token(shop: Shop, issuer: Issuer) -> None:
    copy_user(shop, 7)
    seller, buyer = (stated(shop, issuer.token(7, roles=roles)) for roles in (["buyer", "seller"], ["buyer"]))
    assert seller.get(CART).status_code == 200
    made = seller.post(PRODUCTS, FORM)
    assert (made.status_code, made.get_json()["seller_id"]) == (201, 7)
    assert problem(buyer.post(PRODUCTS, FORM)) == (403, "role-required")
    without_token = stated(shop, issuer.token(7, csrf=False))
    assert without_token.get(CART).status_code == 200
    assert problem(without_token.post(PRODUCTS, FORM)) == (403, "csrf-token-invalid")
    # Who the owner of a hidden product is comes from the statement, too.
    hidden = f"{PRODUCTS}/{made.get_json()['id']}"
    assert seller.send("PATCH", hidden, {"hidden": True}).status_code == 200
    assert [person.get(hidden).status_code for person in (seller, shop.visitor())] == [200, 404]


@pytest.mark.parametrize(
    "other",
    [{"exp": 1}, {"aud": "others"}, {"sub": "x"}, {"sub": "0"}, {"roles": "seller"}],
    ids=["expired", "not for us", "no id", "nobody's id", "no roles"],
)
def test_a_statement_that_is_not_good_is_refused(shop: Shop, issuer: Issuer, other: dict[str, object]) -> None:
    assert problem(stated(shop, issuer.token(7, **other)).get(CART)) == (401, "not-authenticated")


def test_a_statement_that_others_have_signed_is_refused(shop: Shop) -> None:
    for token in (Issuer().token(7), "x", "a.b.c"):
        assert problem(stated(shop, token).get(CART)) == (401, "not-authenticated")


def test_who_comes_without_a_statement_is_nobody_whatever_their_cookies_and_keeps_them(shop: Shop) -> None:
    own(shop, "users", True)
    somebody = shop.logged_in(shop.person(), remember=True)
    own(shop, "users", False)
    shop.query("set session_replication_role = replica; update users set session_epoch = 2")
    for path in (CART, f"{PRODUCTS}/1"):
        answer = somebody.get(path)
        assert answer.status_code in (401, 404)
        # Only the owner of the users knows what becomes of cookies.
        assert "Set-Cookie" not in answer.headers


def test_while_the_users_are_here_a_statement_is_worth_nothing(shop: Shop, issuer: Issuer) -> None:
    own(shop, "users", True)
    somebody = shop.person()
    assert problem(stated(shop, issuer.token(somebody.user["id"])).get(CART)) == (401, "not-authenticated")
    assert somebody.get(CART).status_code == 200


def test_the_proxys_question_is_answered_from_cookies_while_the_route_still_points_here(
    shop: Shop, issuer: Issuer
) -> None:
    own(shop, "users", True)
    somebody = shop.person()
    for state in ("fenced", "released", "standby"):
        shop.query("update fig.domain set state = %s where domain = 'users'", state)
        assert "X-Identity" in somebody.get(SESSION).headers
    assert "X-Identity" not in stated(shop, issuer.token(7)).get(SESSION).headers


@pytest.mark.parametrize("what", ["cart", "product"])
def test_who_signed_up_elsewhere_a_moment_ago_can_use_the_shop_once_their_row_is_here(
    shop: Shop, issuer: Issuer, what: str
) -> None:
    copy_user(shop, 7)
    product = stated(shop, issuer.token(7)).offer()["id"]
    newcomer = stated(shop, issuer.token(8))
    arrival = threading.Timer(0.3, copy_user, [shop, 8])
    arrival.start()
    answer = newcomer.put_in_cart(product) if what == "cart" else newcomer.post(PRODUCTS, FORM)
    arrival.join()
    assert answer.status_code == (200 if what == "cart" else 201), answer.text


def test_a_row_that_does_not_come_is_waited_for_no_longer_than_people_wait(
    shop: Shop, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "COPY_SECONDS", 0.2)
    began = time.monotonic()
    refused = stated(shop, issuer.token(9)).post(PRODUCTS, FORM)
    assert problem(refused) == (503, "temporarily-unavailable")
    assert refused.headers["Retry-After"]
    assert time.monotonic() - began < 2


def test_writes_to_users_are_handed_to_the_proxy_whoever_asks(shop: Shop, issuer: Issuer) -> None:
    copy_user(shop, 7)
    client = Client(guard(shop.app))
    email = {"email": "a@b.c", "password": PASSWORD}
    for path, body, headers in (
        ("signup", {**email, "name": "A", "role": "buyer"}, {}),
        ("login", email, {}),
        ("logout", None, {"X-Identity": issuer.token(7)}),
        ("password", {"current_password": PASSWORD, "new_password": PASSWORD}, {"X-Identity": issuer.token(7)}),
    ):
        answer = client.post(f"/api/users/{path}", json=body, headers=headers)
        assert (answer.status_code, answer.headers.get("X-Fig-Fenced")) == (421, "users 1"), path


def test_keys_can_be_rotated_without_ending_a_session(new_shop: Callable[..., Shop]) -> None:
    before = new_shop(SECRET_KEY="the old one")
    after = Shop(
        before.server, before.database, before.identity_key,
        {"SECRET_KEY": "the new one", "SECRET_KEY_FALLBACKS": ["the old one"]},
    )  # fmt: skip
    try:
        somebody = before.logged_in(before.person(), remember=True)
        cookies = {name: somebody.client.get_cookie(name) for name in ("session", "remember_token")}
        there = Person(after.app.test_client(), somebody.csrf_token, somebody.user)
        for name, cookie in cookies.items():
            assert cookie is not None
            there.client.set_cookie(name, cookie.value)
        assert there.send("PATCH", "/api/users/me", {"name": "Same"}).status_code == 200
        there.client.delete_cookie("session")
        assert there.get("/api/users/me").status_code == 200
        # What is made now is made with the new key.
        session = there.client.get_cookie("session")
        assert session is not None
        old = before.visitor()
        old.client.set_cookie("session", session.value)
        assert old.get("/api/users/me").status_code == 401
        with after.app.app_context():
            forged = encode_cookie(f"{somebody.user['id']}.1.{int(time.time())}", key="another one")
        thief = after.visitor()
        thief.client.set_cookie("remember_token", forged)
        assert thief.get("/api/users/me").status_code == 401
    finally:
        after.close()
