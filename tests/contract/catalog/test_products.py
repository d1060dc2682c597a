"""Products as buyers see and sellers edit them: the same on both sides."""

from __future__ import annotations

import base64
import json
import re

import pytest

from tests.contract.catalog.sides import PRODUCTS, Person, Side, new_key

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
FORM = {"title": "Chair", "description": "Oak", "category": "home", "price": "12.34", "stock": 5}


def test_a_product_has_exactly_these_members(side: Side) -> None:
    seller = side.seller()
    answer = seller.send("POST", PRODUCTS, {**FORM, "price": "12.3"})
    product = answer.json()
    assert answer.status == 201
    assert answer.headers["location"] == f"{PRODUCTS}/{product['id']}"
    assert MOMENT.fullmatch(product.pop("created_at"))
    assert MOMENT.fullmatch(product.pop("updated_at"))
    assert product == {
        "id": product["id"],
        "seller_id": seller.id,
        **FORM,
        "price": "12.30",
        "currency": "EUR",
        "status": "active",
        "version": 1,
    }


@pytest.mark.parametrize("price", ["0", "0.01", "0.1", "19.99", "99999999.99", "1.15", "4.35"])
def test_prices_are_exact(side: Side, price: str) -> None:
    whole, _, fraction = price.partition(".")
    assert side.seller().offer(price=price)["price"] == f"{whole}.{fraction.ljust(2, '0')}"


@pytest.mark.parametrize(
    "text", ["Stühle & Ähren", "🪑" * 200, '"quoted" \\ and\n\ttabbed', "%_'; drop table product--"]
)
def test_text_is_kept_as_it_was_given(side: Side, text: str) -> None:
    seller = side.seller()
    product = seller.offer(title=text, description=text)
    assert seller.get(f"{PRODUCTS}/{product['id']}").json()["title"] == text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""), ("title", "   "), ("title", "x" * 201), ("title", 5), ("title", None), ("title", "a\x00b"),
        ("description", "x" * 10_001), ("description", None), ("category", "Home"), ("category", ""),
        ("category", "a" * 51), ("price", 12.34), ("price", 12), ("price", "12.345"), ("price", "-1"),
        ("price", "012"), ("price", "1e3"), ("price", "100000000"), ("price", " 1"), ("stock", -1), ("stock", "5"),
        ("stock", 1.5), ("stock", True), ("stock", 1_000_000_001), ("request_key", "x"), ("request_key", None),
        ("request_key", "{6b1b36cb-c401-4e22-8a27-eafcf84db9e1}"), ("colour", "red"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(side: Side, field: str, value: object) -> None:
    answer = side.seller().send("POST", PRODUCTS, {**FORM, field: value})
    assert (answer.status, answer.json()["type"]) == (422, "/problems/invalid-fields"), str(answer)
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_every_missing_field_is_named_at_once(side: Side) -> None:
    answer = side.seller().send("POST", PRODUCTS, {})
    assert {error["field"] for error in answer.json()["errors"]} == set(FORM)


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"{", 400, "malformed-request"),
        (b"", 400, "malformed-request"),
        (b"\xff", 400, "malformed-request"),
        (b'{"title": "\\ud800"}', 400, "malformed-request"),
        (b"[]", 422, "invalid-fields"),
        (b'"text"', 422, "invalid-fields"),
        (b'{"a": "' + b"x" * 262_144 + b'"}', 413, "body-too-large"),
    ],
    ids=["cut", "empty", "not utf-8", "half a surrogate pair", "a list", "a text", "too large"],
)
def test_a_body_that_is_no_object_is_refused(side: Side, body: bytes, status: int, problem: str) -> None:
    answer = side.seller().send("POST", PRODUCTS, body, Content_Type="application/json")
    assert (answer.status, answer.json()["type"]) == (status, f"/problems/{problem}")


def test_a_body_of_another_type_is_refused(side: Side) -> None:
    answer = side.seller().send("POST", PRODUCTS, b"title=Chair", Content_Type="application/x-www-form-urlencoded")
    assert (answer.status, answer.json()["type"]) == (415, "/problems/unsupported-media-type")


def test_who_may_not_is_told_why(side: Side) -> None:
    owner = side.seller()
    path = f"{PRODUCTS}/{owner.offer()['id']}"
    buyer, without_token, stranger = side.person("buyer"), side.person(csrf=False), side.seller()
    cases = [(side.visitor(), 401, "not-authenticated"), (without_token, 403, "csrf-token-invalid")]
    cases += [(buyer, 403, "role-required"), (stranger, 403, "not-owner")]
    for person, status, problem in cases:
        for method, where, body in (
            ("PATCH", path, {"title": "Mine"}),
            ("POST", f"{path}/withdraw", None),
            ("POST", f"{path}/stock", {"delta": 1, "request_key": new_key()}),
        ):
            answer = person.send(method, where, body)
            assert (answer.status, answer.json()["type"]) == (status, f"/problems/{problem}"), str(answer)
    assert owner.get(path).json()["version"] == 1


def test_the_same_request_key_gives_the_same_product_once(side: Side) -> None:
    seller, key = side.seller(), new_key()
    first = seller.offer(request_key=key)
    again = seller.send("POST", PRODUCTS, {**FORM, "title": "Other", "request_key": key.upper()})
    assert (again.status, again.json()) == (200, first)
    stolen = side.seller().send("POST", PRODUCTS, {**FORM, "request_key": key})
    assert (stolen.status, stolen.json()["type"]) == (409, "/problems/request-key-reused")


def test_an_edit_changes_what_it_names_and_counts_the_version(side: Side) -> None:
    seller = side.seller()
    product = seller.offer()
    answer = seller.send("PATCH", f"{PRODUCTS}/{product['id']}", {"price": "1", "title": "Stool"})
    edited = answer.json()
    assert answer.status == 200
    assert edited.pop("updated_at") > product.pop("updated_at")
    assert edited == {**product, "price": "1.00", "title": "Stool", "version": 2}


def test_an_edit_of_another_version_is_refused(side: Side) -> None:
    seller = side.seller()
    path = f"{PRODUCTS}/{seller.offer()['id']}"
    assert seller.send("PATCH", path, {"title": "A"}, If_Match='"1"').status == 200
    late = seller.send("PATCH", path, {"title": "B"}, If_Match='"1"')
    assert (late.status, late.json()["type"], late.json()["version"]) == (412, "/problems/version-mismatch", 2)
    assert seller.send("PATCH", path, {"title": "B"}, If_Match="1").status == 400


def test_an_edit_of_nothing_is_refused(side: Side) -> None:
    seller = side.seller()
    answer = seller.send("PATCH", f"{PRODUCTS}/{seller.offer()['id']}", {})
    assert [error["field"] for error in answer.json()["errors"]] == ["body"]


def test_a_status_goes_through_hidden_withdrawn_and_archived(side: Side) -> None:
    seller = side.seller()
    path = f"{PRODUCTS}/{seller.offer()['id']}"

    def status(method: str, where: str, body: object = None) -> tuple[str, int]:
        product = seller.send(method, where, body).json()
        return product["status"], product["version"]

    assert status("PATCH", path, {"hidden": True}) == ("hidden", 2)
    assert status("PATCH", path, {"hidden": True}) == ("hidden", 3)
    assert side.visitor().get(path).status == 404
    assert side.seller().get(path).status == 404
    assert seller.get(path).status == 200
    assert status("PATCH", path, {"hidden": False}) == ("active", 4)
    assert status("POST", f"{path}/withdraw") == ("withdrawn", 5)
    assert status("POST", f"{path}/withdraw") == ("withdrawn", 5)
    assert side.visitor().get(path).status == 200
    assert status("PATCH", path, {"hidden": True}) == ("archived", 6)
    assert side.visitor().get(path).status == 404
    assert status("PATCH", path, {"hidden": False}) == ("withdrawn", 7)


@pytest.mark.parametrize("wrong", ["0", "01", "-1", "x", "1.0", "9" * 19, "%00", "1/nothing"])
def test_a_path_that_names_no_product_is_not_found(side: Side, wrong: str) -> None:
    answer = side.visitor().get(f"{PRODUCTS}/{wrong}")
    assert (answer.status, answer.json()["type"]) == (404, "/problems/not-found")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_method_that_is_not_served_is_named(side: Side) -> None:
    answer = side.visitor().send("DELETE", f"{PRODUCTS}/1")
    assert (answer.status, answer.json()["type"]) == (405, "/problems/method-not-allowed")
    assert "PATCH" in answer.headers["allow"]


def titles(answer: object) -> list[str]:
    return [product["title"] for product in answer.json()["items"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("sort", ["newest", "price", "-price", "title"])
def test_pages_show_every_product_once_in_order(side: Side, sort: str) -> None:
    seller = side.seller()
    names = ["b", "a", "B", "ä", "a", "c", "Z"]
    products = [seller.offer(title=name, price=f"{number % 3}") for number, name in enumerate(names)]
    orders = {
        "newest": lambda product: (product["created_at"], product["id"]),
        "price": lambda product: (float(product["price"]), product["id"]),
        "title": lambda product: (product["title"], product["id"]),
    }
    expected = sorted(products, key=orders[sort.removeprefix("-")], reverse=sort in ("newest", "-price"))
    found, cursor = [], ""
    while True:
        page = seller.get(f"{PRODUCTS}?seller_id={seller.id}&sort={sort}&limit=2{cursor}").json()
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [product["id"] for product in found] == [product["id"] for product in expected]


def test_lists_show_active_products_and_sellers_all_of_theirs(side: Side) -> None:
    seller = side.seller()
    shown, hidden = seller.offer(title="shown"), seller.offer(title="hidden")
    seller.send("PATCH", f"{PRODUCTS}/{hidden['id']}", {"hidden": True})
    own = f"{PRODUCTS}?seller_id={seller.id}&sort=title"
    assert titles(seller.get(own)) == ["hidden", "shown"]
    assert titles(side.visitor().get(own)) == ["shown"]
    assert titles(side.seller().get(own)) == [shown["title"]]


def test_filters_and_full_text_search_narrow_a_list(side: Side) -> None:
    seller = side.seller()
    seller.offer(title="Oak tables", description="for kitchens", price="10.00", stock=0)
    seller.offer(title="Lamp", description="stands on a table", price="20.00", category="light")

    def found(query: str) -> list[str]:
        return titles(side.visitor().get(f"{PRODUCTS}?seller_id={seller.id}&sort=price&{query}"))

    assert found("q=table") == ["Oak tables", "Lamp"]
    assert found("q=table%20-lamp") == ["Oak tables"]
    assert found("q=%22stands%20on%20a%20table%22") == ["Lamp"]
    assert found("q=%27%26%7C%21%28") == []
    assert found("category=light") == ["Lamp"]
    assert found("min_price=10.01") == found("in_stock=true") == ["Lamp"]
    assert found("max_price=10") == found("in_stock=false") == ["Oak tables"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("limit=1&limit=2", "limit"),
        ("sort=worst", "sort"), ("in_stock=yes", "in_stock"), ("min_price=1,5", "min_price"), ("q=", "q"),
        ("q=%00", "q"), ("seller_id=0", "seller_id"), ("colour=red", "colour"), ("cursor=x", "cursor"),
        ("cursor=WyJ0aXRsZSIsIngiLDFd", "cursor"), ("cursor=WyJuZXdlc3QiLCJ4IiwxXQ", "cursor"),
        ("cursor=WyJuZXdlc3QiLG51bGwsMV0", "cursor"), ("cursor=bnVsbA", "cursor"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(side: Side, query: str, field: str) -> None:
    answer = side.visitor().get(f"{PRODUCTS}?{query}")
    assert answer.status == 422, str(answer)
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_cursor_is_the_same_text_on_both_sides(side: Side) -> None:
    seller: Person = side.seller()
    last = seller.offer(title="Äpfel")
    seller.offer(title="Öl")
    cursor = seller.get(f"{PRODUCTS}?seller_id={seller.id}&sort=title&limit=1").json()["next_cursor"]
    written = json.dumps(["title", "Äpfel", last["id"]], ensure_ascii=False, separators=(",", ":"))
    assert cursor == base64.urlsafe_b64encode(written.encode()).decode().rstrip("=")


def test_other_domains_look_products_up_whatever_their_status(side: Side) -> None:
    seller = side.seller()
    shown, hidden, withdrawn = (seller.offer() for _ in range(3))
    seller.send("PATCH", f"{PRODUCTS}/{hidden['id']}", {"hidden": True})
    seller.send("POST", f"{PRODUCTS}/{withdrawn['id']}/withdraw")
    ids = ",".join(str(one["id"]) for one in (withdrawn, shown, hidden))
    found = side.visitor().get(f"/internal/catalog/products?ids={ids},{10**18 - 1}").json()["items"]
    assert [one["id"] for one in found] == sorted(one["id"] for one in (shown, hidden, withdrawn))
    assert {one["id"]: one["status"] for one in found} == {
        shown["id"]: "active", hidden["id"]: "hidden", withdrawn["id"]: "withdrawn",
    }  # fmt: skip
    assert found == [seller.get(f"{PRODUCTS}/{one['id']}").json() for one in found]


@pytest.mark.parametrize("ids", ["", "0", "1,", "x", "1,1000000000000000000", ",".join(["1"] * 201)])
def test_ids_to_look_up_are_ids(side: Side, ids: str) -> None:
    answer = side.visitor().get(f"/internal/catalog/products?ids={ids}")
    assert (answer.status, answer.json()["errors"][0]["field"]) == (422, "ids")
