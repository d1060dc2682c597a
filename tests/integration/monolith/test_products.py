"""Products as sellers write them and everybody reads them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.monolith.shop import PRODUCTS, Shop, new_key

FORM = {"title": "Chair", "description": "Oak", "category": "home", "price": "12.34", "stock": 5}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_a_new_product_is_read_by_everybody_as_it_was_written(shop: Shop) -> None:
    seller = shop.seller()
    answer = seller.post(PRODUCTS, FORM)
    product = answer.get_json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{PRODUCTS}/{product['id']}"
    assert {**product, **FORM} == product
    assert (product["seller_id"], product["currency"]) == (seller.user["id"], "EUR")
    assert (product["status"], product["version"]) == ("active", 1)
    assert MOMENT.fullmatch(product["created_at"])
    assert shop.visitor().get(f"{PRODUCTS}/{product['id']}").get_json() == product
    shop.require_books_to_balance()


@pytest.mark.parametrize(("given", "shown"), [("0", "0.00"), ("0.1", "0.10"), ("99999999.99", "99999999.99")])
def test_prices_are_exact_decimals(shop: Shop, given: str, shown: str) -> None:
    assert shop.seller().offer(price=given)["price"] == shown


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "1.234"), ("price", "1."), ("price", ".5"), ("price", "-1"), ("price", "1e3"), ("price", "٣"),
        ("price", "100000000"), ("price", 12.34), ("price", "012"), ("price", " 1"), ("price", "1\n"),
        ("title", ""), ("title", " \t"), ("title", "x" * 201), ("title", "a\x00b"), ("title", None), ("title", 5),
        ("description", "x" * 10_001), ("category", "Home"), ("category", "-a"), ("category", "home\n"),
        ("stock", -1), ("stock", "5"), ("stock", 1.5), ("stock", True), ("stock", 10**9 + 1), ("stock", 10**30),
        ("request_key", None), ("request_key", "1"), ("request_key", "{6b1b36cb-c401-4e22-8a27-eafcf84db9e1}"),
        ("request_key", "6b1b36cbc4014e228a27eafcf84db9e1"), ("colour", "red"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_and_nothing_is_written(shop: Shop, field: str, value: Any) -> None:
    answer = shop.seller().post(PRODUCTS, {**FORM, field: value})
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]
    assert shop.query("select count(*) from products") == [(0,)]


def test_all_wrong_fields_are_named_at_once(shop: Shop) -> None:
    answer = shop.seller().post(PRODUCTS, {"title": "", "price": "x", "stock": 1, "category": "home"})
    assert {error["field"] for error in answer.get_json()["errors"]} == {"title", "price", "description"}


def test_the_same_request_key_makes_one_product_even_at_the_same_time(shop: Shop) -> None:
    seller, key = shop.seller(), new_key()
    browsers = [shop.same_person(seller) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda b: b.post(PRODUCTS, {**FORM, "request_key": key}), browsers))
    assert sorted(a.status_code for a in answers) == [200] * 7 + [201]
    assert len({a.get_json()["id"] for a in answers}) == 1
    assert shop.query("select count(*), sum(delta) from stock_movements") == [(1, 5)]


def test_a_request_key_of_another_seller_is_refused(shop: Shop) -> None:
    product_key = new_key()
    shop.seller().offer(request_key=product_key)
    answer = shop.seller().post(PRODUCTS, {**FORM, "request_key": product_key})
    assert (answer.status_code, answer.get_json()["type"]) == (409, "/problems/request-key-reused")


def test_each_edit_is_a_version_and_the_change_of_stock_is_none(shop: Shop) -> None:
    seller = shop.seller()
    product = seller.offer()
    url = f"{PRODUCTS}/{product['id']}"
    edited = seller.send("PATCH", url, {"title": "Stool", "price": "9.9"}).get_json()
    assert (edited["title"], edited["price"], edited["version"]) == ("Stool", "9.90", 2)
    assert edited["updated_at"] > product["updated_at"]
    seller.post(f"{url}/stock", {"delta": 3, "request_key": new_key()})
    assert seller.get(url).get_json() == {**edited, "stock": 8}


def test_an_edit_of_another_version_than_expected_is_refused(shop: Shop) -> None:
    seller = shop.seller()
    url = f"{PRODUCTS}/{seller.offer()['id']}"
    assert seller.send("PATCH", url, {"title": "A"}, If_Match='"1"').status_code == 200
    refused = seller.send("PATCH", url, {"title": "B"}, If_Match='"1"')
    assert (refused.status_code, refused.get_json()["version"]) == (412, 2)
    assert seller.send("PATCH", url, {"title": "B"}, If_Match="1").status_code == 400
    assert seller.get(url).get_json()["title"] == "A"


def test_of_two_edits_of_the_same_version_one_is_refused(shop: Shop) -> None:
    seller = shop.seller()
    url = f"{PRODUCTS}/{seller.offer()['id']}"
    browsers = [shop.same_person(seller) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        edits = threads.map(lambda b: b.send("PATCH", url, {"title": "x"}, If_Match='"1"'), browsers)
    assert sorted(answer.status_code for answer in edits) == [200] + [412] * 5


def test_a_product_passes_through_all_its_statuses(shop: Shop) -> None:
    seller, other = shop.seller(), shop.visitor()
    url = f"{PRODUCTS}/{seller.offer()['id']}"

    def status_and_sight() -> tuple[str, int]:
        return seller.get(url).get_json()["status"], other.get(url).status_code

    assert status_and_sight() == ("active", 200)
    seller.send("PATCH", url, {"hidden": True})
    assert status_and_sight() == ("hidden", 404)
    assert seller.post(f"{url}/withdraw").get_json()["status"] == "archived"
    assert status_and_sight() == ("archived", 404)
    seller.send("PATCH", url, {"hidden": False})
    assert status_and_sight() == ("withdrawn", 200)
    again = seller.post(f"{url}/withdraw").get_json()
    assert (again["status"], again["version"]) == ("withdrawn", 4)


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("PATCH", "", {"title": "x"}),
        ("POST", "/withdraw", None),
        ("POST", "/stock", {"delta": 1, "request_key": new_key()}),
    ],
)
def test_a_product_is_changed_by_its_own_seller_only(shop: Shop, method: str, rest: str, body: Any) -> None:
    product = shop.seller().offer()
    other = shop.seller()
    refused = other.send(method, f"{PRODUCTS}/{product['id']}{rest}", body)
    assert (refused.status_code, refused.get_json()["type"]) == (403, "/problems/not-owner")
    assert other.send(method, f"{PRODUCTS}/999999999{rest}", body).status_code == 404
    assert other.get(f"{PRODUCTS}/{product['id']}").get_json() == product


@pytest.mark.parametrize("body", [{}, {"stock": 3}, {"title": None}, {"hidden": "yes"}, [], "x"])
def test_an_edit_without_a_right_field_is_refused(shop: Shop, body: Any) -> None:
    seller = shop.seller()
    url = f"{PRODUCTS}/{seller.offer()['id']}"
    assert seller.send("PATCH", url, body).status_code == 422
