"""Carts: the same on both sides, at the present titles and prices of a catalog that may be elsewhere."""

from __future__ import annotations

import pytest

from tests.contract.payments.sides import CART, PRODUCTS, Side, problem


def test_a_cart_shows_present_titles_prices_and_what_is_available(side: Side) -> None:
    seller, buyer = side.seller(), side.person()
    chair, table = seller.offer(), seller.offer(title="Tisch “rund”", price="99.90", stock=1)
    buyer.put_in_cart(table, 2)
    answer = buyer.put_in_cart(chair, 3)
    assert answer.json() == buyer.get(CART).json() == {
        "items": [
            {"product_id": chair, "title": "Chair", "quantity": 3, "unit_price": "12.34", "available": True},
            {"product_id": table, "title": "Tisch “rund”", "quantity": 2, "unit_price": "99.90", "available": False},
        ],
        "total": "236.82",
        "currency": "EUR",
    }  # fmt: skip
    seller.monolith.request("PATCH", f"{PRODUCTS}/{chair}", {"title": "Stool", "price": "0.01"})
    assert [item["title"] for item in buyer.get(CART).json()["items"]] == ["Stool", "Tisch “rund”"]
    assert buyer.get(CART).json()["total"] == "199.83"


def test_an_item_is_set_not_added_and_removed_once_or_twice(side: Side) -> None:
    buyer, product = side.person(), side.seller().offer()
    buyer.put_in_cart(product, 3)
    buyer.put_in_cart(product, 1)
    assert buyer.cart() == {product: 1}
    assert {buyer.send("DELETE", f"{CART}/items/{product}").status for _ in range(2)} == {204}
    assert buyer.get(CART).json() == {"items": [], "total": "0.00", "currency": "EUR"}


def test_what_is_not_for_sale_or_does_not_exist_does_not_come_into_a_cart(side: Side) -> None:
    seller, buyer = side.seller(), side.person()
    hidden, withdrawn = seller.offer(), seller.offer()
    seller.monolith.request("PATCH", f"{PRODUCTS}/{hidden}", {"hidden": True})
    seller.monolith.post(f"{PRODUCTS}/{withdrawn}/withdraw")
    for product in (hidden, withdrawn):
        answer = buyer.put_in_cart(product)
        assert (problem(answer), answer.json()["product_id"]) == ((409, "not-available"), product)
    assert problem(buyer.put_in_cart(10**18 - 1)) == (404, "not-found")
    assert buyer.cart() == {}


@pytest.mark.parametrize("quantity", [0, -1, 1001, "1", None, 1.5, True])
def test_a_quantity_is_a_whole_number_from_1_to_1000(side: Side, quantity: object) -> None:
    answer = side.person().send("PUT", f"{CART}/items/1", {"quantity": quantity})
    assert (problem(answer), answer.json()["errors"][0]["field"]) == ((422, "invalid-fields"), "quantity")


def test_a_cart_is_its_owners_and_its_changes_are_meant(side: Side) -> None:
    buyer, product = side.person(), side.seller().offer()
    buyer.put_in_cart(product)
    assert side.person().cart() == {}
    assert problem(side.visitor().get(CART)) == (401, "not-authenticated")
    assert problem(side.visitor().request("PUT", f"{CART}/items/{product}", {"quantity": 1}))[0] == 401


def test_a_cart_has_an_end(side: Side) -> None:
    seller, buyer = side.seller(), side.person()
    products = [seller.offer(title=f"Book {number}") for number in range(3)]
    table = "cart_item" if side.is_service else "cart_items"
    first = seller.offer()
    assert buyer.put_in_cart(first).status == 200
    others = ", ".join(f"({buyer.id}, {10**17 + number}, 1)" for number in range(97))
    # Others that nobody looks up.
    side.query(f"set session_replication_role = replica; insert into {table} values {others}")
    assert [buyer.put_in_cart(one).status for one in products[:2]] == [200, 200]
    assert problem(buyer.put_in_cart(products[2])) == (409, "cart-full")
    # One that is in it may still change.
    assert buyer.put_in_cart(first, 2).status == 200
    side.query(f"delete from {table} where user_id = {buyer.id} and product_id >= {10**17}")
    assert buyer.cart() == {first: 2, products[0]: 1, products[1]: 1}
