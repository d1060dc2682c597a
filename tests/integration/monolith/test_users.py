"""Accounts, sessions, CSRF tokens, and the signed statement of who asks."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.integration.monolith.shop import PASSWORD, PRODUCTS, Shop


def claims_of(statement: str, key: Path) -> dict:
    private = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    public = private.public_key()
    return jwt.decode(statement, public, algorithms=["EdDSA"], audience="fig")


def test_a_session_lives_from_signup_to_logout_and_a_copy_of_its_cookie_not_longer(shop: Shop) -> None:
    somebody = shop.person()
    assert somebody.get("/api/users/me").get_json() == somebody.user
    copy = shop.same_person(somebody)
    assert somebody.post("/api/users/logout").status_code == 204
    assert somebody.get("/api/users/me").status_code == 401
    assert copy.get("/api/users/me").status_code == 401


def test_login_begins_a_new_session_with_a_new_token(shop: Shop) -> None:
    somebody = shop.person()
    old_token, old_cookie = somebody.csrf_token, somebody.client.get_cookie("session")
    form = {"email": somebody.user["email"].upper(), "password": PASSWORD}
    assert somebody.post("/api/users/login", form).get_json() == somebody.user
    assert somebody.client.get_cookie("session") != old_cookie
    assert somebody.post("/api/users/logout").status_code == 403
    somebody.fetch_token()
    assert somebody.csrf_token != old_token
    assert somebody.post("/api/users/logout").status_code == 204


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(shop: Shop) -> None:
    form = {"email": "a@example.test", "password": PASSWORD, "name": "A", "role": "buyer"}
    cookie = shop.visitor().post("/api/users/signup", form).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize("email", ["nobody@example.test", "known@example.test"])
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(shop: Shop, email: str) -> None:
    form = {"email": "known@example.test", "password": PASSWORD, "name": "K", "role": "buyer"}
    shop.visitor().post("/api/users/signup", form)
    answer = shop.visitor().post("/api/users/login", {"email": email, "password": "not it at all"})
    assert (answer.status_code, answer.get_json()["type"]) == (401, "/problems/wrong-credentials")


def test_an_address_has_one_account_whatever_its_case(shop: Shop) -> None:
    form = {"email": "One@example.test", "password": PASSWORD, "name": "One", "role": "buyer"}
    assert shop.visitor().post("/api/users/signup", form).status_code == 201
    again = shop.visitor().post("/api/users/signup", {**form, "email": "oNE@EXAMPLE.test"})
    assert (again.status_code, again.get_json()["type"]) == (409, "/problems/email-taken")


def test_the_password_is_kept_as_a_scrypt_hash_only(shop: Shop) -> None:
    shop.person()
    [(stored,)] = shop.query("select password_hash from users")
    assert stored.startswith("scrypt:")
    assert PASSWORD not in stored


@pytest.mark.parametrize("token", ["", "wrong", "ImEi.ZZ.yy"])
def test_an_unsafe_request_without_the_sessions_token_changes_nothing(shop: Shop, token: str) -> None:
    seller = shop.seller()
    form = {"title": "T", "description": "", "category": "home", "price": "1", "stock": 1}
    answer = seller.post(PRODUCTS, form, X_CSRF_Token=token)
    assert (answer.status_code, answer.get_json()["type"]) == (403, "/problems/csrf-token-invalid")
    assert shop.query("select count(*) from products") == [(0,)]


def test_a_token_of_somebody_elses_session_is_worth_nothing(shop: Shop) -> None:
    mine, yours = shop.person(), shop.person()
    assert mine.post("/api/users/logout", X_CSRF_Token=yours.csrf_token).status_code == 403


def test_without_a_session_the_answer_is_401_and_without_the_role_403(shop: Shop) -> None:
    form = {"title": "T", "description": "", "category": "home", "price": "1", "stock": 1}
    assert shop.visitor().post(PRODUCTS, form).status_code == 401
    refused = shop.person("buyer").post(PRODUCTS, form)
    assert (refused.status_code, refused.get_json()["type"]) == (403, "/problems/role-required")


def test_the_statement_names_user_roles_and_a_valid_token_of_an_unsafe_method(shop: Shop, identity_key: Path) -> None:
    seller = shop.seller()

    def statement(**headers: str) -> dict:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = seller.get("/internal/users/session", headers=named)
        assert answer.status_code == 204
        return claims_of(answer.headers["X-Identity"], identity_key)

    said = statement(X_Original_Method="POST", X_CSRF_Token=seller.csrf_token)
    assert (said["sub"], said["roles"]) == (str(seller.user["id"]), ["buyer", "seller"])
    assert said["csrf"] is True
    assert said["exp"] - said["iat"] == 60
    assert statement(X_Original_Method="POST", X_CSRF_Token="wrong")["csrf"] is False
    assert statement(X_Original_Method="POST")["csrf"] is False
    assert statement(X_Original_Method="GET", X_CSRF_Token=seller.csrf_token)["csrf"] is False


def test_about_the_anonymous_and_the_forged_there_is_no_statement(shop: Shop) -> None:
    visitor = shop.visitor()
    assert "X-Identity" not in visitor.get("/internal/users/session").headers
    visitor.client.set_cookie("session", "eyJfdXNlcl9pZCI6IjEifQ.aaaaaa.bbbbbbbbbbbb")
    answer = visitor.get("/internal/users/session")
    assert answer.status_code == 204
    assert "X-Identity" not in answer.headers
