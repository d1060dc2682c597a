"""Whatever goes wrong, the answer is a problem document."""

from __future__ import annotations

import io
import logging

import pytest

from legacy_monolith.database import db
from tests.integration.monolith.shop import PRODUCTS, Shop

FORM = {"title": "Chair", "description": "Oak", "category": "home", "price": "12.34", "stock": 5}


def problem(answer) -> tuple[int, str]:
    assert answer.mimetype == "application/problem+json"
    document = answer.get_json()
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    assert document["next_step"]
    return answer.status_code, document["type"]


@pytest.mark.parametrize(
    "path",
    [
        "/", "/api/catalog", f"{PRODUCTS}/", f"{PRODUCTS}/0", f"{PRODUCTS}/01", f"{PRODUCTS}/-1", f"{PRODUCTS}/1.0",
        f"{PRODUCTS}/{10**18}", f"{PRODUCTS}/9223372036854775808", f"{PRODUCTS}/{10**400}", f"{PRODUCTS}/٣",
        f"{PRODUCTS}/%00", f"{PRODUCTS}/999999999999999999", "/internal/catalog/reservations/not-a-uuid",
        "/internal/catalog/reservations/6b1b36cb-c401-4e22-8a27-eafcf84db9e1", "/api/nothing/openapi.json",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_404(shop: Shop, path: str) -> None:
    assert problem(shop.visitor().get(path)) == (404, "/problems/not-found")


def test_a_method_that_an_address_does_not_know_is_405_and_names_those_it_knows(shop: Shop) -> None:
    answer = shop.visitor().send("PUT", PRODUCTS, {})
    assert problem(answer) == (405, "/problems/method-not-allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_a_body_that_is_too_large_is_413(shop: Shop) -> None:
    answer = shop.seller().post(PRODUCTS, {**FORM, "description": "x" * 262_144})
    assert problem(answer) == (413, "/problems/body-too-large")


def test_a_body_of_unannounced_length_that_is_too_large_is_413(shop: Shop) -> None:
    seller = shop.seller()
    answer = seller.client.post(
        PRODUCTS,
        input_stream=io.BytesIO(b" " * 300_000),
        headers={"X-CSRF-Token": seller.csrf_token, "Content-Type": "application/json"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert problem(answer) == (413, "/problems/body-too-large")


@pytest.mark.parametrize("body", ["", "{", "nul", '{"title": "\\ud800"}', "[" * 100_000, "\xff"])
def test_what_is_not_json_is_400(shop: Shop, body: str) -> None:
    seller = shop.seller()
    answer = seller.client.post(
        PRODUCTS,
        data=body.encode("latin-1"),
        headers={"X-CSRF-Token": seller.csrf_token, "Content-Type": "application/json"},
    )
    assert problem(answer) == (400, "/problems/malformed-request")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_does_not_say_that_it_is_json_is_415(shop: Shop, media_type: str) -> None:
    seller = shop.seller()
    headers = {"X-CSRF-Token": seller.csrf_token, "Content-Type": media_type}
    answer = seller.client.post(PRODUCTS, data=b"{}", headers=headers)
    assert problem(answer) == (415, "/problems/unsupported-media-type")


def test_a_mistake_of_ours_is_500_without_its_text_and_commits_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seller = shop.seller()

    def fail() -> None:
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr(db.session, "commit", fail)
    answer = seller.post(PRODUCTS, FORM)
    assert problem(answer) == (500, "/problems/internal-error")
    assert "secret" not in answer.text
    assert any(record.exc_info for record in caplog.records if record.levelno == logging.ERROR)
    assert shop.query("select count(*) from products") == [(0,)]


def test_the_request_id_is_kept_if_it_is_one_and_made_if_not(shop: Shop) -> None:
    visitor = shop.visitor()
    assert visitor.get("/livez", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    made = visitor.get("/livez", headers={"X-Request-Id": "a b{}"}).headers["X-Request-Id"]
    assert len(made) == 32


def test_requests_are_logged_with_their_id_and_without_personal_data(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    somebody = shop.person()
    somebody.get(f"{PRODUCTS}?q=private+wish", headers={"X-Request-Id": "id-7"})
    line = vars(caplog.records[-1])
    assert (line["method"], line["rule"], line["status"]) == ("GET", PRODUCTS, 200)
    said = str([vars(record) for record in caplog.records])
    assert "private" not in said
    assert somebody.user["email"] not in said
