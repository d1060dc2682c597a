"""Stock: exact under concurrency, and every request counted once."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.integration.monolith.shop import PRODUCTS, Person, Shop, new_key, problem
from tests.support.waiting import wait_until


def adjust(person: Person, product_id: int, delta: int, key: str | None = None):
    return person.post(f"{PRODUCTS}/{product_id}/stock", {"delta": delta, "request_key": key or new_key()})


def reserve(person: Person, key: str, quantities: dict[int, int]):
    lines = [{"product_id": product, "quantity": quantity} for product, quantity in quantities.items()]
    return person.send("PUT", f"/internal/catalog/reservations/{key}", {"lines": lines})


def act(person: Person, key: str, action: str):
    return person.post(f"/internal/catalog/reservations/{key}/{action}")


def test_twenty_threads_sell_exactly_what_is_there(shop: Shop) -> None:
    product = shop.seller().offer(stock=50)["id"]
    callers = [shop.visitor() for _ in range(20)]

    def buy(caller: Person) -> int:
        return sum(reserve(caller, new_key(), {product: 1}).status_code == 200 for _ in range(5))

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(buy, callers)) == 50
    assert shop.stock(product) == 0
    shop.require_books_to_balance()


def test_twenty_threads_reserve_adjust_and_release_across_products_without_deadlock(shop: Shop) -> None:
    seller = shop.seller()
    products = [seller.offer(stock=30)["id"] for _ in range(4)]
    people = [shop.same_person(seller) for _ in range(20)]
    numbers = itertools.count(1)

    def work(person: Person) -> list[int]:
        dice, statuses = random.Random(next(numbers)), []
        for _ in range(6):
            key = new_key()
            wanted = dice.sample(products, 3)
            statuses.append(reserve(person, key, {product: dice.randint(1, 4) for product in wanted}).status_code)
            statuses.append(adjust(person, dice.choice(products), dice.choice((-2, 2))).status_code)
            if dice.random() < 0.7:
                statuses.append(act(person, key, "release").status_code)
        return statuses

    with ThreadPoolExecutor(20) as threads:
        statuses = [status for statuses in threads.map(work, people) for status in statuses]
    assert set(statuses) <= {200, 409}
    assert shop.query("select count(*) from products where stock < 0") == [(0,)]
    shop.require_books_to_balance()


def test_the_same_adjustment_sent_twenty_times_at_once_counts_once(shop: Shop) -> None:
    seller, key = shop.seller(), new_key()
    product = seller.offer(stock=5)["id"]
    people = [shop.same_person(seller) for _ in range(20)]
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda person: adjust(person, product, -3, key), people))
    assert {answer.status_code for answer in answers} == {200}
    assert len({tuple(answer.get_json().items()) for answer in answers}) == 1
    assert shop.stock(product) == 2


def test_a_repeated_adjustment_gets_the_first_answer_even_much_later(shop: Shop) -> None:
    seller, key = shop.seller(), new_key()
    product = seller.offer(stock=5)["id"]
    first = adjust(seller, product, -4, key).get_json()
    assert first == {"product_id": product, "stock": 1, "movement_id": first["movement_id"]}
    adjust(seller, product, -1)
    adjust(seller, product, 7)
    assert adjust(seller, product, -4, key).get_json() == first
    assert shop.stock(product) == 7


def test_a_key_serves_one_adjustment_of_one_product(shop: Shop) -> None:
    seller, key = shop.seller(), new_key()
    product, other = seller.offer()["id"], seller.offer()["id"]
    adjust(seller, product, 1, key)
    assert problem(adjust(seller, product, 2, key)) == (409, "request-key-reused")
    assert problem(adjust(seller, other, 1, key)) == (409, "request-key-reused")
    assert (shop.stock(product), shop.stock(other)) == (6, 5)


def test_stock_neither_falls_below_zero_nor_rises_above_the_largest(shop: Shop) -> None:
    seller, key = shop.seller(), new_key()
    product = seller.offer(stock=5)["id"]
    refused = adjust(seller, product, -6, key)
    assert problem(refused) == (409, "out-of-stock")
    assert (refused.get_json()["product_id"], refused.get_json()["stock"]) == (product, 5)
    assert problem(adjust(seller, product, 10**9)) == (422, "invalid-fields")
    assert adjust(seller, product, -5, key).status_code == 200  # A refused key stays free.


@pytest.mark.parametrize("delta", [0, "1", 1.5, None, 10**9 + 1, True])
def test_a_wrong_delta_is_refused(shop: Shop, delta) -> None:
    seller = shop.seller()
    assert problem(adjust(seller, seller.offer()["id"], delta)) == (422, "invalid-fields")


def test_a_reservation_names_title_and_price_of_its_moment_and_keeps_them(shop: Shop) -> None:
    seller, key = shop.seller(), new_key()
    product = seller.offer(title="Old", price="3.5")["id"]
    first = reserve(seller, key.upper(), {product: 2})
    line = {"product_id": product, "quantity": 2, "unit_price": "3.50", "title": "Old"}
    assert first.get_json() == {"key": key, "state": "held", "lines": [line]}
    seller.send("PATCH", f"{PRODUCTS}/{product}", {"title": "New", "price": "4"})
    assert reserve(seller, key, {product: 2}).get_json() == first.get_json()
    assert seller.get(f"/internal/catalog/reservations/{key}").get_json() == first.get_json()
    assert shop.stock(product) == 3


def test_a_reservation_is_all_or_nothing_and_its_refused_key_stays_free(shop: Shop) -> None:
    seller, key = shop.seller(), new_key()
    plenty, scarce = seller.offer(stock=9)["id"], seller.offer(stock=1)["id"]
    refused = reserve(seller, key, {scarce: 2, plenty: 2})
    assert problem(refused) == (409, "out-of-stock")
    assert (refused.get_json()["product_id"], refused.get_json()["stock"]) == (scarce, 1)
    assert (shop.stock(plenty), shop.stock(scarce)) == (9, 1)
    assert seller.get(f"/internal/catalog/reservations/{key}").status_code == 404
    assert reserve(seller, key, {scarce: 1, plenty: 2}).status_code == 200


def test_products_that_are_not_for_sale_cannot_be_reserved(shop: Shop) -> None:
    seller = shop.seller()
    hidden, withdrawn = seller.offer()["id"], seller.offer()["id"]
    seller.send("PATCH", f"{PRODUCTS}/{hidden}", {"hidden": True})
    seller.post(f"{PRODUCTS}/{withdrawn}/withdraw")
    for product in (hidden, withdrawn, 999_999_999):
        refused = reserve(seller, new_key(), {product: 1})
        assert problem(refused) == (409, "not-available")
        assert refused.get_json()["product_id"] == product


def test_a_reservation_goes_its_way_once_however_often_each_step_is_repeated(shop: Shop) -> None:
    seller, key = shop.seller(), new_key()
    product = seller.offer(stock=5)["id"]
    for _ in range(3):
        assert reserve(seller, key, {product: 4}).get_json()["state"] == "held"
    assert problem(reserve(seller, key, {product: 3})) == (409, "request-key-reused")
    for _ in range(3):
        assert act(seller, key, "confirm").get_json()["state"] == "confirmed"
    assert reserve(seller, key, {product: 4}).get_json()["state"] == "confirmed"
    assert shop.stock(product) == 1
    for _ in range(3):
        assert act(seller, key, "release").get_json()["state"] == "released"
    assert shop.stock(product) == 5
    assert problem(reserve(seller, key, {product: 4})) == (409, "reservation-released")
    assert problem(act(seller, key, "confirm")) == (409, "reservation-released")
    shop.require_books_to_balance()


@pytest.mark.parametrize("action", ["reserve", "release"])
def test_who_waits_for_a_locked_table_keeps_none_that_the_locker_wants_next(shop: Shop, action: str) -> None:
    product = shop.seller().offer()["id"]
    key, caller = new_key(), shop.visitor()
    if action == "release":
        reserve(caller, key, {product: 1})
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with ThreadPoolExecutor(1) as thread, psycopg.connect(shop.server.dsn(shop.database)) as locker:
        locker.execute("lock table products in share row exclusive mode")
        call = (reserve, caller, key, {product: 1}) if action == "reserve" else (act, caller, key, action)
        held_up = thread.submit(*call)
        wait_until(lambda: shop.query(waiting), 10, f"{action} waits for the table")
        for table in ("stock_movements", "stock_reservations", "stock_reservation_lines"):
            locker.execute(f"lock table {table} in share row exclusive mode nowait")
        locker.commit()
        assert held_up.result().status_code == 200


def test_a_release_that_overtakes_its_reserve_leaves_a_tombstone(shop: Shop) -> None:
    seller, key = shop.seller(), new_key()
    product = seller.offer(stock=5)["id"]
    assert act(seller, key, "release").get_json() == {"key": key, "state": "released", "lines": []}
    assert problem(reserve(seller, key, {product: 1})) == (409, "reservation-released")
    assert act(seller, new_key(), "confirm").status_code == 404
    assert shop.stock(product) == 5


def test_reserve_and_release_of_one_key_at_once_leave_no_unit_behind(shop: Shop) -> None:
    seller = shop.seller()
    product = seller.offer(stock=100)["id"]
    keys = [new_key() for _ in range(20)]
    with ThreadPoolExecutor(20) as threads:
        for key in keys:
            threads.submit(reserve, shop.visitor(), key, {product: 1})
            threads.submit(act, shop.visitor(), key, "release")
    assert shop.stock(product) == 100
    assert shop.query("select distinct state from stock_reservations") == [("released",)]
    shop.require_books_to_balance()


@pytest.mark.parametrize(
    "body",
    [
        {"lines": []}, {"lines": [{"product_id": 1, "quantity": 0}]}, {"lines": [{"product_id": 0, "quantity": 1}]},
        {"lines": [{"product_id": 1, "quantity": 1}] * 2}, {"lines": "x"}, {},
        {"lines": [{"product_id": n, "quantity": 1} for n in range(1, 102)]},
    ],
)  # fmt: skip
def test_wrong_lines_are_refused(shop: Shop, body) -> None:
    answer = shop.visitor().send("PUT", f"/internal/catalog/reservations/{new_key()}", body)
    assert problem(answer) == (422, "invalid-fields")
