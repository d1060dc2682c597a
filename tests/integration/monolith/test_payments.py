"""Cart, checkout, orders and cancel where the catalog is in the same database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.monolith.shop import ORDERS, PRODUCTS, Person, Shop, new_key, problem


def test_the_cart_holds_quantities_at_present_prices(shop: Shop) -> None:
    seller, buyer = shop.seller(), shop.person()
    chair, table = seller.offer(price="1.10", stock=5)["id"], seller.offer(price="20", stock=1)["id"]
    buyer.put_in_cart(chair, 1)
    buyer.put_in_cart(chair, 3)
    answer = buyer.put_in_cart(table, 2).get_json()
    assert answer == buyer.get("/api/payments/cart").get_json()
    assert (answer["total"], answer["currency"]) == ("43.30", "EUR")
    assert [(i["quantity"], i["unit_price"], i["available"]) for i in answer["items"]] == [
        (3, "1.10", True),
        (2, "20.00", False),
    ]
    for _ in range(2):
        assert buyer.send("DELETE", f"/api/payments/cart/items/{table}").status_code == 204
    assert buyer.cart() == {chair: 3}
    assert shop.person().cart() == {}


def test_what_does_not_exist_or_is_not_for_sale_does_not_go_into_a_cart(shop: Shop) -> None:
    seller, buyer = shop.seller(), shop.person()
    hidden = seller.offer()["id"]
    seller.send("PATCH", f"{PRODUCTS}/{hidden}", {"hidden": True})
    assert problem(buyer.put_in_cart(hidden)) == (409, "not-available")
    assert problem(buyer.put_in_cart(999_999)) == (404, "not-found")
    assert problem(buyer.put_in_cart(hidden, 0)) == (422, "invalid-fields")
    assert problem(buyer.put_in_cart(hidden, 1001)) == (422, "invalid-fields")
    assert problem(shop.visitor().put_in_cart(hidden)) == (401, "not-authenticated")


def test_a_cart_has_a_largest_number_of_products(shop: Shop) -> None:
    seller, buyer = shop.seller(), shop.person()
    shop.query(
        "insert into products (seller_id, title, description, category, price, stock)"
        " select %s, 'T', '', 'home', 1, 1 from generate_series(1, 101)",
        seller.user["id"],
    )
    ids = [row[0] for row in shop.query("select id from products order by id")]
    shop.query("insert into cart_items select %s, id, 1 from products where id <= %s", buyer.user["id"], ids[99])
    assert problem(buyer.put_in_cart(ids[100])) == (409, "cart-full")
    assert buyer.put_in_cart(ids[99], 2).status_code == 200
    assert len(buyer.cart()) == 100


def test_a_checkout_moves_the_cart_into_an_order_and_takes_the_stock(shop: Shop) -> None:
    seller, buyer, key = shop.seller(), shop.person(), new_key()
    chair, table = seller.offer(price="1.10", stock=5)["id"], seller.offer(price="20", title="Table")["id"]
    buyer.put_in_cart(chair, 3)
    buyer.put_in_cart(table, 1)
    placed = buyer.check_out(key)
    order = placed.get_json()
    assert placed.status_code == 201
    assert placed.headers["Location"] == f"{ORDERS}/{order['id']}"
    assert (order["state"], order["total"], order["key"]) == ("placed", "23.30", key)
    assert buyer.cart() == {}
    assert (shop.stock(chair), shop.stock(table)) == (2, 4)
    assert shop.query("select key::text, state from stock_reservations") == [(key, "confirmed")]
    assert shop.query("select retry_at from orders") == [(None,)]
    seller.send("PATCH", f"{PRODUCTS}/{table}", {"title": "Desk"})
    lines = buyer.get(f"{ORDERS}/{order['id']}").get_json()["lines"]
    assert [(line["title"], line["current_title"]) for line in lines] == [
        ("Chair", "Chair"),
        ("Table", "Desk"),
    ]
    shop.require_books_to_balance()


def test_the_same_key_sent_ten_times_at_once_places_one_order(shop: Shop) -> None:
    buyer, key = shop.person(), new_key()
    product = shop.seller().offer(stock=9)["id"]
    buyer.put_in_cart(product, 2)
    browsers = [shop.same_person(buyer) for _ in range(10)]
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda browser: browser.check_out(key), browsers))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.get_json()["id"] for answer in answers}) == 1
    assert shop.stock(product) == 7


def test_ten_keys_at_once_for_one_cart_place_one_order(shop: Shop) -> None:
    buyer = shop.person()
    product = shop.seller().offer(stock=9)["id"]
    buyer.put_in_cart(product, 2)
    browsers = [shop.same_person(buyer) for _ in range(10)]
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda browser: browser.check_out(), browsers))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert shop.stock(product) == 7


def test_twenty_buyers_of_the_last_units_get_exactly_these(shop: Shop) -> None:
    product = shop.seller().offer(stock=7)["id"]
    buyers = [shop.person() for _ in range(20)]
    for buyer in buyers:
        buyer.put_in_cart(product, 1)
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(Person.check_out, buyers))
    assert sorted(answer.status_code for answer in answers) == [201] * 7 + [409] * 13
    assert shop.stock(product) == 0
    shop.require_books_to_balance()


def test_a_refused_checkout_leaves_cart_and_stock_and_stays_refused_under_its_key(shop: Shop) -> None:
    seller, buyer, key = shop.seller(), shop.person(), new_key()
    plenty, scarce = seller.offer(stock=9)["id"], seller.offer(stock=1)["id"]
    buyer.put_in_cart(plenty, 2)
    buyer.put_in_cart(scarce, 2)
    refused = buyer.check_out(key)
    assert problem(refused) == (409, "out-of-stock")
    assert refused.get_json()["product_id"] == scarce
    assert buyer.cart() == {plenty: 2, scarce: 2}
    assert (shop.stock(plenty), shop.stock(scarce)) == (9, 1)
    seller.post(f"{PRODUCTS}/{scarce}/stock", {"delta": 1, "request_key": new_key()})
    assert buyer.check_out(key).get_json() == refused.get_json()
    assert buyer.check_out().status_code == 201
    shop.require_books_to_balance()


@pytest.mark.parametrize("key", ["", "1", "{}", "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"])
def test_a_checkout_needs_a_key(shop: Shop, key: str) -> None:
    answer = shop.person().post("/api/payments/checkout", Idempotency_Key=key)
    assert problem(answer) == (422, "invalid-fields")
    assert answer.get_json()["errors"][0]["field"] == "Idempotency-Key"


def test_an_empty_cart_and_somebody_elses_key_place_nothing(shop: Shop) -> None:
    buyer, other, key = shop.person(), shop.person(), new_key()
    assert problem(buyer.check_out(key)) == (409, "cart-empty")
    product = shop.seller().offer()["id"]
    buyer.put_in_cart(product)
    other.put_in_cart(product)
    assert buyer.check_out(key).status_code == 201
    assert problem(other.check_out(key)) == (409, "request-key-reused")
    assert other.cart() == {product: 1}


def test_a_cancelled_order_gives_its_units_back_once(shop: Shop) -> None:
    buyer = shop.person()
    product = shop.seller().offer(stock=5)["id"]
    buyer.put_in_cart(product, 4)
    url = f"{ORDERS}/{buyer.check_out().get_json()['id']}"
    browsers = [shop.same_person(buyer) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda browser: browser.post(f"{url}/cancel"), browsers))
    assert {(answer.status_code, answer.get_json()["state"]) for answer in answers} == {(200, "cancelled")}
    assert shop.stock(product) == 5
    assert buyer.cart() == {}
    shop.require_books_to_balance()


def test_an_order_is_its_buyers_only(shop: Shop) -> None:
    buyer, other = shop.person(), shop.person()
    buyer.put_in_cart(shop.seller().offer()["id"])
    url = f"{ORDERS}/{buyer.check_out().get_json()['id']}"
    assert other.get(url).status_code == 404
    assert other.post(f"{url}/cancel").status_code == 404
    assert other.get(ORDERS).get_json() == {"items": [], "next_cursor": None}


def test_orders_are_listed_newest_first_page_by_page(shop: Shop) -> None:
    buyer = shop.person()
    product = shop.seller().offer(stock=10)["id"]
    placed = []
    for _ in range(5):
        buyer.put_in_cart(product)
        placed.append(buyer.check_out().get_json()["id"])
    found, cursor = [], ""
    while cursor is not None:
        page = buyer.get(f"{ORDERS}?limit=2{cursor and '&cursor=' + cursor}").get_json()
        found += [order["id"] for order in page["items"]]
        cursor = page["next_cursor"]
    assert found == placed[::-1]
