"""Being remembered, and everything that ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask_login.utils import encode_cookie
from sqlalchemy import event
from werkzeug.security import generate_password_hash

from legacy_monolith.database import db
from legacy_monolith.users import routes
from tests.integration.monolith.shop import PASSWORD, Person, Shop, problem

ME, LOGIN, LOGOUT, CHANGE = "/api/users/me", "/api/users/login", "/api/users/logout", "/api/users/password"
REMEMBERED = "remember_token"
NEW_PASSWORD = "a better horse"


def remembered(shop: Shop) -> Person:
    return shop.logged_in(shop.person(), remember=True)


def close_browser(person: Person) -> None:
    """The session's cookie is gone with it; the other one stays."""
    person.client.delete_cookie("session")
    person.csrf_token = ""


def cookie(person: Person, name: str) -> str:
    found = person.client.get_cookie(name)
    assert found is not None
    return found.value


def thief(shop: Shop, **cookies: str) -> Person:
    somebody = shop.visitor()
    for name, value in cookies.items():
        somebody.client.set_cookie(name, value)
    return somebody


def change_password(person: Person, current: str = PASSWORD, new: str = NEW_PASSWORD):
    return person.post(CHANGE, {"current_password": current, "new_password": new})


@contextmanager
def statements(shop: Shop) -> Iterator[list[str]]:
    seen: list[str] = []

    def remember(connection, cursor, statement, *rest) -> None:
        seen.append(statement)

    with shop.app.app_context():
        event.listen(db.engine, "before_cursor_execute", remember)
        try:
            yield seen
        finally:
            event.remove(db.engine, "before_cursor_execute", remember)


def test_who_is_remembered_is_still_known_when_the_browser_was_closed_and_others_are_not(shop: Shop) -> None:
    one, other = remembered(shop), shop.logged_in(shop.person())
    close_browser(one)
    close_browser(other)
    assert one.get(ME).get_json() == one.user
    assert other.get(ME).status_code == 401


@pytest.mark.parametrize("secure", [False, True])
def test_the_remember_cookie_is_as_well_kept_as_the_sessions(new_shop: Callable[..., Shop], secure: bool) -> None:
    shop = new_shop(SESSION_COOKIE_SECURE=secure)
    form = {"email": "a@example.test", "password": PASSWORD, "name": "A", "role": "buyer"}
    assert shop.visitor().post("/api/users/signup", form).status_code == 201
    answer = shop.visitor().post(LOGIN, {"email": form["email"], "password": PASSWORD, "remember": True})
    lines = answer.headers.getlist("Set-Cookie")
    assert {line.partition("=")[0] for line in lines} == {REMEMBERED, "session"}
    for line in lines:
        assert "HttpOnly" in line
        assert "SameSite=Lax" in line
        assert ("Secure" in line) is secure
    assert all(("Expires" in line) is line.startswith(REMEMBERED) for line in lines)


def test_a_remember_cookie_alone_is_no_way_around_the_csrf_token(shop: Shop) -> None:
    somebody = remembered(shop)
    old_token = somebody.csrf_token
    close_browser(somebody)
    assert problem(somebody.send("PATCH", ME, {"name": "Mallory"})) == (403, "csrf-token-invalid")
    close_browser(somebody)
    refused = somebody.send("PATCH", ME, {"name": "Mallory"}, X_CSRF_Token=old_token)
    assert problem(refused) == (403, "csrf-token-invalid")
    somebody.fetch_token()
    assert somebody.send("PATCH", ME, {"name": "Alice"}).get_json()["name"] == "Alice"


def test_who_is_remembered_costs_no_statement_more(shop: Shop) -> None:
    plain, known = shop.person(), remembered(shop)
    counts = []
    for person in (plain, known):
        with statements(shop) as seen:
            person.get(ME)
        counts.append(len(seen))
    close_browser(known)
    with statements(shop) as seen:
        known.get(ME)
    counts.append(len(seen))
    # Whether users are here, who it is, and what is shown of them.
    assert counts == [3, 3, 3]


def test_a_logout_anywhere_ends_every_session_and_every_remembering(shop: Shop) -> None:
    here = remembered(shop)
    there = shop.logged_in(here, remember=True)
    stolen = thief(shop, session=cookie(there, "session"), remember_token=cookie(there, REMEMBERED))
    assert stolen.get(ME).status_code == 200
    assert here.post(LOGOUT).status_code == 204
    assert here.client.get_cookie(REMEMBERED) is None
    for person in (here, there, stolen, thief(shop, remember_token=cookie(there, REMEMBERED))):
        assert problem(person.get(ME)) == (401, "not-authenticated")


def test_a_changed_password_ends_all_sessions_but_this_one(shop: Shop) -> None:
    here = remembered(shop)
    there, plain = shop.logged_in(here, remember=True), shop.logged_in(here)
    copies = [
        thief(shop, session=cookie(here, "session"), remember_token=cookie(here, REMEMBERED)),
        thief(shop, remember_token=cookie(there, REMEMBERED)),
    ]
    assert change_password(here).status_code == 204
    for person in (there, plain, *copies):
        assert person.get(ME).status_code == 401
    # With its token, and remembered as before.
    assert here.send("PATCH", ME, {"name": "Still here"}).status_code == 200
    close_browser(here)
    assert here.get(ME).status_code == 200


def test_a_changed_password_remembers_nobody_who_did_not_ask_for_it(shop: Shop) -> None:
    somebody = shop.person()
    assert change_password(somebody).status_code == 204
    assert somebody.client.get_cookie(REMEMBERED) is None


def test_only_the_new_password_opens_the_account(shop: Shop) -> None:
    somebody = shop.person()
    assert change_password(somebody).status_code == 204
    old = shop.visitor().post(LOGIN, {"email": somebody.user["email"], "password": PASSWORD})
    assert problem(old) == (401, "wrong-credentials")
    shop.logged_in(somebody, NEW_PASSWORD)


def test_a_password_hashed_by_older_rules_can_be_changed(shop: Shop) -> None:
    somebody = shop.person()
    shop.query("update users set password_hash = %s", generate_password_hash(PASSWORD, method="scrypt:1024:8:1"))
    assert change_password(somebody).status_code == 204
    shop.logged_in(somebody, NEW_PASSWORD)


def test_a_password_is_changed_only_by_who_knows_it(shop: Shop) -> None:
    somebody = shop.person()
    assert problem(change_password(somebody, current="not it at all")) == (403, "wrong-password")
    assert problem(change_password(somebody, new="short")) == (422, "invalid-fields")
    assert problem(change_password(shop.visitor())) == (401, "not-authenticated")
    assert problem(somebody.post(CHANGE, {}, X_CSRF_Token="wrong")) == (403, "csrf-token-invalid")
    shop.logged_in(somebody)


def test_of_two_changes_with_the_same_old_password_one_wins(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    here = shop.person()
    there = shop.logged_in(here)
    plain = routes.hash_password

    def slow(password: str) -> str:
        """While the new one is hashed, somebody else is faster."""
        monkeypatch.setattr(routes, "hash_password", plain)
        assert change_password(there, new="the faster horse").status_code == 204
        return plain(password)

    monkeypatch.setattr(routes, "hash_password", slow)
    assert problem(change_password(here, new="the slower horse")) == (403, "wrong-password")
    shop.logged_in(here, "the faster horse")


def test_who_logs_in_after_somebody_remembered_leaves_nothing_of_them(shop: Shop) -> None:
    browser = remembered(shop)
    second = shop.person()
    form = {"email": second.user["email"], "password": PASSWORD}
    assert browser.post(LOGIN, form).get_json() == second.user
    close_browser(browser)
    assert browser.get(ME).status_code == 401


@pytest.mark.parametrize(
    "login",
    ["{id}.{epoch}.{long_ago}", "{id}.{later}.{now}", "999999.1.{now}", "{id}", "{id}.{epoch}", "x.1.{now}", ""],
)
def test_a_void_remember_cookie_is_refused_and_thrown_away(shop: Shop, login: str) -> None:
    user, now = shop.person().user["id"], int(time.time())
    facts = {"id": user, "epoch": 1, "later": 2, "now": now, "long_ago": now - 31 * 86400}
    with shop.app.app_context():
        somebody = thief(shop, remember_token=encode_cookie(login.format(**facts)))
    assert somebody.get(ME).status_code == 401
    assert somebody.client.get_cookie(REMEMBERED) is None


def test_a_remember_cookie_of_ours_is_believed_and_one_with_another_signature_is_not(shop: Shop) -> None:
    user, now = shop.person().user["id"], int(time.time())
    with shop.app.app_context():
        ours, forged = (encode_cookie(f"{user}.1.{now}", key=key) for key in (None, "another key"))
    assert thief(shop, remember_token=ours).get(ME).status_code == 200
    assert thief(shop, remember_token=forged).get(ME).status_code == 401


def test_a_session_older_than_any_remembering_ends(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = shop.person()
    day = 86400
    real = time.time
    monkeypatch.setattr("legacy_monolith.identity.time.time", lambda: real() + 29 * day)
    assert somebody.get(ME).status_code == 200
    monkeypatch.setattr("legacy_monolith.identity.time.time", lambda: real() + 31 * day)
    assert somebody.get(ME).status_code == 401


def test_the_statement_for_other_services_is_made_for_the_remembered_too(shop: Shop) -> None:
    somebody = remembered(shop)
    close_browser(somebody)
    assert "X-Identity" in somebody.get("/internal/users/session").headers
