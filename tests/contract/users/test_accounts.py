"""Accounts, logins and what they refuse: the same on both sides."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from tests.contract.users.sides import (
    CSRF,
    EMAIL,
    LOGIN,
    LOGOUT,
    ME,
    PASSWORD,
    PASSWORD_CHANGE,
    SELLER,
    SESSION,
    SIGNUP,
    Person,
    Side,
    forged,
    problem,
)
from tests.integration.catalog.identities import Issuer

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
FORM = {"email": "ada@example.org", "password": PASSWORD, "name": "Ada", "role": "buyer"}


def test_an_account_has_exactly_these_members(side: Side) -> None:
    somebody = side.person("seller")
    user = dict(somebody.user)
    assert MOMENT.fullmatch(user.pop("created_at"))
    assert user == {
        "id": user["id"], "email": somebody.user["email"], "name": "Ada", "role": "seller", "phone": None,
    }  # fmt: skip
    assert somebody.get(ME).json() == somebody.user


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "ada"), ("email", "a b@c.d"), ("email", "x" * 251 + "@c.d"), ("email", 5), ("email", "a\x00@c.d"),
        ("password", "short"), ("password", "x" * 257), ("password", None), ("name", ""), ("name", "  "),
        ("name", "x" * 201), ("role", "admin"), ("role", "Buyer"), ("colour", "red"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(side: Side, field: str, value: object) -> None:
    answer = side.visitor().post(SIGNUP, {**FORM, field: value})
    assert problem(answer) == (422, "invalid-fields")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_every_missing_field_is_named_at_once(side: Side) -> None:
    answer = side.visitor().post(SIGNUP, {})
    assert {error["field"] for error in answer.json()["errors"]} == set(FORM)


def test_an_address_has_one_account_whatever_its_case(side: Side) -> None:
    somebody = side.person()
    again = side.visitor().post(SIGNUP, {**FORM, "email": somebody.user["email"].upper()})
    assert problem(again) == (409, "email-taken")
    taken = side.person().post(EMAIL, {"email": somebody.user["email"].upper(), "password": PASSWORD})
    assert problem(taken) == (409, "email-taken")


def test_of_many_sign_ups_with_one_address_one_has_an_account(side: Side) -> None:
    form = {**FORM, "email": f"{uuid.uuid4()}@example.org"}
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: side.visitor().post(SIGNUP, form).status, range(6)))
    assert sorted(answers, key=str) == [201] + [409] * 5


def test_a_login_begins_a_session_with_a_token_of_its_own(side: Side) -> None:
    somebody = side.person()
    old = somebody.client.csrf_token
    login = {"email": somebody.user["email"].upper(), "password": PASSWORD}
    assert somebody.post(LOGIN, login).json() == somebody.user
    assert problem(somebody.post(LOGOUT)) == (403, "csrf-token-invalid")
    assert somebody.fetch_token() != old
    assert somebody.post(LOGOUT).status == 204
    assert problem(somebody.get(ME)) == (401, "not-authenticated")
    assert "session" not in somebody.client.cookies


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = side.person()
    answer = side.visitor().post(LOGIN, {"email": somebody.user["email"], "password": PASSWORD})
    said = answer.headers.get("vary", "")
    assert "Cookie" in said
    lines: list[str] = []
    visitor = side.visitor()
    monkeypatch.setattr(visitor.client, "_remember", lines.extend)
    visitor.post(LOGIN, {"email": somebody.user["email"], "password": PASSWORD, "remember": True})
    attributes = {line.partition("=")[0]: set(line.split("; ")[1:]) for line in lines}
    assert set(attributes) == {"session", "remember_token"}
    assert attributes["session"] == {"HttpOnly", "Path=/", "SameSite=Lax"}
    kept = {part for part in attributes["remember_token"] if not part.startswith("Expires=")}
    assert kept == {"HttpOnly", "Path=/", "SameSite=Lax"}
    assert len(attributes["remember_token"]) == 4


@pytest.mark.parametrize("known", [True, False])
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(side: Side, known: bool) -> None:
    email = side.person().user["email"] if known else "nobody@example.org"
    refused = side.visitor().post(LOGIN, {"email": email, "password": "not it at all"})
    assert problem(refused) == (401, "wrong-credentials")
    assert refused.json()["detail"] == "E-mail address and password do not match."


def test_after_ten_wrong_passwords_even_the_right_one_has_to_wait(side: Side) -> None:
    somebody = side.person()
    email, guesser = somebody.user["email"], side.visitor()
    for _ in range(10):
        assert guesser.post(LOGIN, {"email": email, "password": "not it at all"}).status == 401
    refused = guesser.post(LOGIN, {"email": email.upper(), "password": PASSWORD})
    assert problem(refused) == (429, "too-many-requests")
    assert 40 <= int(refused.headers["retry-after"]) <= 60
    assert set(refused.json()) == {"type", "title", "status", "detail", "next_step"}
    other = somebody.post(PASSWORD_CHANGE, {"current_password": PASSWORD, "new_password": "a better horse"})
    assert other.status == 429
    # Somebody else from the same address is not concerned.
    side.logged_in(side.person())


def test_right_passwords_are_not_counted(side: Side) -> None:
    somebody = side.person()
    for _ in range(11):
        side.logged_in(somebody)


def test_who_asks_is_known_before_what_is_asked_is_read(side: Side) -> None:
    somebody = side.person()
    without, visitor = somebody.stolen(), side.visitor()
    without.client.csrf_token = ""
    for method, path in (
        ("PATCH", ME), ("POST", EMAIL), ("POST", PASSWORD_CHANGE), ("POST", LOGOUT), ("POST", SELLER),
        ("POST", "/api/users/phone"), ("POST", "/api/users/phone/verify"),
    ):  # fmt: skip
        assert problem(visitor.send(method, path, {"colour": "red"})) == (401, "not-authenticated")
        assert problem(without.send(method, path, {"colour": "red"})) == (403, "csrf-token-invalid")
        if path not in (LOGOUT, SELLER):
            assert problem(somebody.send(method, path, {"colour": "red"})) == (422, "invalid-fields")
            assert problem(somebody.send(method, path, b"{", Content_Type="application/json"))[0] == 400
            assert problem(somebody.send(method, path, b"a=b", Content_Type="text/plain"))[0] == 415


@pytest.mark.parametrize("token", ["", "wrong", "ImEi.ZZ.yy"])
def test_a_wrong_token_is_worth_as_little_as_somebody_elses(side: Side, token: str) -> None:
    mine, yours = side.person(), side.person()
    for given in (token, yours.client.csrf_token):
        assert problem(mine.send("PATCH", ME, {"name": "Eve"}, X_CSRF_Token=given)) == (403, "csrf-token-invalid")
    assert mine.get(ME).json()["name"] == "Ada"


def test_profile_and_address_can_be_changed(side: Side) -> None:
    somebody = side.person()
    assert somebody.send("PATCH", ME, {"name": "Änne"}).json() == {**somebody.user, "name": "Änne"}
    email = f"{uuid.uuid4()}@example.org"
    assert problem(somebody.post(EMAIL, {"email": email, "password": "not it at all"})) == (403, "wrong-password")
    assert somebody.post(EMAIL, {"email": email, "password": PASSWORD}).json()["email"] == email
    assert side.visitor().post(LOGIN, {"email": email, "password": PASSWORD}).status == 200


def test_a_logout_anywhere_ends_every_session_and_a_stolen_cookie_too(side: Side) -> None:
    here = side.logged_in(side.person(), remember=True)
    there, thief = side.logged_in(here, remember=True), here.stolen()
    remembered = here.stolen()
    remembered.close_browser()
    assert thief.get(ME).status == remembered.get(ME).status == 200
    assert here.post(LOGOUT).status == 204
    assert here.client.cookies == {}
    for person in (here, there, thief, remembered):
        assert problem(person.get(ME)) == (401, "not-authenticated")
        assert side.statement(person) is None
    # Nobody asks again with a cookie that remembers nothing.
    assert "remember_token" not in remembered.client.cookies


def test_a_changed_password_ends_all_sessions_but_this_one(side: Side) -> None:
    here = side.logged_in(side.person(), remember=True)
    there, thief = side.logged_in(here), here.stolen()
    change = {"current_password": PASSWORD, "new_password": "a better horse"}
    assert here.post(PASSWORD_CHANGE, change).status == 204
    assert [person.get(ME).status for person in (there, thief)] == [401, 401]
    assert here.send("PATCH", ME, {"name": "Still here"}).status == 200
    here.close_browser()
    assert here.get(ME).status == 200
    old = side.visitor().post(LOGIN, {"email": here.user["email"], "password": PASSWORD})
    assert problem(old) == (401, "wrong-credentials")
    side.logged_in(here, "a better horse")


def test_who_is_remembered_is_known_again_but_needs_a_new_token(side: Side) -> None:
    somebody, other = side.logged_in(side.person(), remember=True), side.logged_in(side.person())
    old = somebody.client.csrf_token
    for person in (somebody, other):
        person.close_browser()
    assert (somebody.get(ME).status, other.get(ME).status) == (200, 401)
    somebody.close_browser()
    refused = somebody.send("PATCH", ME, {"name": "Mallory"}, X_CSRF_Token=old)
    assert problem(refused) == (403, "csrf-token-invalid")
    somebody.fetch_token()
    assert somebody.send("PATCH", ME, {"name": "Alice"}).status == 200


def test_who_logs_in_after_somebody_remembered_leaves_nothing_of_them(side: Side) -> None:
    browser, second = side.logged_in(side.person(), remember=True), side.person()
    assert browser.post(LOGIN, {"email": second.user["email"], "password": PASSWORD}).json() == second.user
    browser.close_browser()
    assert browser.get(ME).status == 401


def test_a_forged_identity_header_is_nobodys(side: Side, issuer: Issuer) -> None:
    """Here the cookie speaks; not even a good statement of ours does."""
    somebody, visitor = side.person(), side.visitor()
    for header in (forged(somebody), issuer.token(somebody.user["id"])):
        assert problem(visitor.get(ME, X_Identity=header)) == (401, "not-authenticated")
        assert problem(visitor.post(LOGOUT, X_Identity=header)) == (401, "not-authenticated")
    answer = visitor.get(SESSION, X_Identity=forged(somebody))
    assert "x-identity" not in answer.headers


@pytest.mark.parametrize("cookie", ["x", "a.b.c", "eyJfdXNlcl9pZCI6IjEuMS4xIn0.aaaaaa.bbbbbbbbbbbb", "9|abc", "|", ""])
def test_cookies_that_are_not_ours_are_no_session(side: Side, cookie: str) -> None:
    for name in ("session", "remember_token"):
        visitor = side.visitor()
        visitor.client.cookies[name] = cookie
        assert problem(visitor.get(ME)) == (401, "not-authenticated")
        assert side.statement(visitor) is None


def test_the_statement_says_who_with_which_roles_and_whether_the_token_is_good(side: Side, issuer: Issuer) -> None:
    def said(person: Person, method: str) -> Mapping[str, object]:
        stated = side.statement(person, method)
        assert stated is not None
        claims: Mapping[str, object] = jwt.decode(stated, issuer.key.public_key(), algorithms=["EdDSA"], audience="fig")
        return claims

    seller = side.person("seller")
    claims = said(seller, "post")
    assert set(claims) == {"sub", "roles", "csrf", "aud", "iat", "exp"}
    assert (claims["sub"], claims["roles"], claims["csrf"]) == (str(seller.user["id"]), ["buyer", "seller"], True)
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == 60
    assert said(seller, "GET")["csrf"] is False
    seller.client.csrf_token = "wrong"
    assert said(seller, "POST")["csrf"] is False
    assert said(side.person(), "GET")["roles"] == ["buyer"]


def test_a_token_is_given_to_the_anonymous_too_and_kept_by_nobody(side: Side) -> None:
    answer = side.visitor().get(CSRF)
    assert list(answer.json()) == ["csrf_token"]
    assert answer.headers["cache-control"] == "no-store"


def test_a_contact_is_an_address_and_a_phone_if_it_was_proved(side: Side) -> None:
    somebody = side.person()
    user = somebody.user
    path = f"/internal/users/{user['id']}/contact"
    expected = {"id": user["id"], "name": "Ada", "email": user["email"], "phone": None}
    assert side.visitor().get(path).json() == expected
    assert problem(side.visitor().get("/internal/users/999999999/contact")) == (404, "not-found")


def test_becoming_a_seller_needs_a_verified_phone_and_is_repeated_without_effect(side: Side) -> None:
    assert problem(side.person().post(SELLER)) == (409, "phone-not-verified")
    seller = side.person("seller")
    assert [seller.post(SELLER).json() for _ in range(2)] == [seller.user] * 2
