"""What users change of themselves."""

from __future__ import annotations

import pytest

from tests.integration.monolith.shop import PASSWORD, Shop, problem

ME, EMAIL = "/api/users/me", "/api/users/email"


def test_a_name_is_changed_as_it_is_given(shop: Shop) -> None:
    somebody = shop.person()
    changed = somebody.send("PATCH", ME, {"name": "Søren 😀"})
    assert changed.get_json() == {**somebody.user, "name": "Søren 😀"} == somebody.get(ME).get_json()


@pytest.mark.parametrize(
    "form", [{}, {"name": ""}, {"name": "  "}, {"name": None}, {"name": "x" * 201}, {"name": "A", "role": "seller"}]
)
def test_what_cannot_be_changed_is_refused(shop: Shop, form: dict) -> None:
    somebody = shop.person()
    assert problem(somebody.send("PATCH", ME, form)) == (422, "invalid-fields")
    assert somebody.get(ME).get_json() == somebody.user


def test_an_address_is_changed_with_the_password_and_logs_in_from_then_on(shop: Shop) -> None:
    somebody = shop.person()
    old = somebody.user["email"]
    assert problem(somebody.post(EMAIL, {"email": "new@example.test"})) == (422, "invalid-fields")
    wrong = somebody.post(EMAIL, {"email": "new@example.test", "password": "not it at all"})
    assert problem(wrong) == (403, "wrong-password")
    assert somebody.get(ME).get_json()["email"] == old
    somebody.user = somebody.post(EMAIL, {"email": "new@example.test", "password": PASSWORD}).get_json()
    assert somebody.user["email"] == "new@example.test"
    shop.logged_in(somebody)
    refused = shop.visitor().post("/api/users/login", {"email": old, "password": PASSWORD})
    assert problem(refused) == (401, "wrong-credentials")
    # The session goes on.
    assert somebody.get(ME).get_json() == somebody.user


def test_an_address_of_somebody_else_is_refused_and_ones_own_in_other_letters_is_not(shop: Shop) -> None:
    one, other = shop.person(), shop.person()
    taken = one.post(EMAIL, {"email": other.user["email"].upper(), "password": PASSWORD})
    assert problem(taken) == (409, "email-taken")
    own = one.user["email"].upper()
    assert one.post(EMAIL, {"email": own, "password": PASSWORD}).get_json()["email"] == own
    # The refusal has broken nothing.
    assert one.get(ME).status_code == 200


def test_others_and_other_sites_change_nothing(shop: Shop) -> None:
    somebody = shop.person()
    for method, path, form in (
        ("PATCH", ME, {"name": "Mallory"}),
        ("POST", EMAIL, {"email": "m@example.test", "password": PASSWORD}),
    ):
        assert problem(shop.visitor().send(method, path, form)) == (401, "not-authenticated")
        assert problem(somebody.send(method, path, form, X_CSRF_Token="wrong")) == (403, "csrf-token-invalid")
    assert somebody.get(ME).get_json() == somebody.user
