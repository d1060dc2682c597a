"""Stock and reservations: the same on both sides, nothing lost and nothing sold twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.contract.catalog.sides import RESERVATIONS, Side, new_key
from tests.support.clients import Answer


def problem(answer: Answer) -> tuple[int | None, str]:
    return answer.status, answer.json()["type"].removeprefix("/problems/")


def at_once(actions: list[Callable[[], Answer]]) -> list[Answer]:
    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result() for future in [pool.submit(action) for action in actions]]


def test_stock_changes_once_per_key(side: Side) -> None:
    seller, key = side.seller(), new_key()
    product = seller.offer(stock=5)["id"]
    first = seller.adjust(product, -2, key)
    assert first.json() == {"product_id": product, "stock": 3, "movement_id": first.json()["movement_id"]}
    seller.adjust(product, 10)
    assert seller.adjust(product, -2, key).json() == first.json()
    assert seller.stock(product) == 13
    assert problem(seller.adjust(product, -3, key)) == (409, "request-key-reused")
    assert problem(seller.adjust(seller.offer()["id"], -2, key)) == (409, "request-key-reused")


def test_stock_never_falls_below_zero(side: Side) -> None:
    seller = side.seller()
    product = seller.offer(stock=5)["id"]
    answer = seller.adjust(product, -6)
    assert problem(answer) == (409, "out-of-stock")
    assert (answer.json()["product_id"], answer.json()["stock"]) == (product, 5)
    above = seller.adjust(product, 1_000_000_000)
    assert [error["field"] for error in above.json()["errors"]] == ["delta"]
    assert seller.stock(product) == 5


def test_concurrent_buyers_never_take_more_than_there_is(side: Side) -> None:
    seller = side.seller()
    product = seller.offer(stock=7)["id"]
    taking = [lambda: side.visitor().reserve(new_key(), (product, 1)) for _ in range(12)]
    selling = [lambda: seller.adjust(product, -1) for _ in range(4)]
    outcomes = Counter(answer.status for answer in at_once(taking + selling))
    assert outcomes == {200: 7, 409: 9}
    assert seller.stock(product) == 0


def test_concurrent_repetitions_of_one_change_have_one_effect(side: Side) -> None:
    seller, key = side.seller(), new_key()
    product = seller.offer(stock=5)["id"]
    answers = at_once([lambda: seller.adjust(product, 3, key)] * 8)
    assert {answer.body for answer in answers} == {answers[0].body}
    assert seller.stock(product) == 8


def test_concurrent_repetitions_of_one_reservation_have_one_effect(side: Side) -> None:
    seller, key = side.seller(), new_key()
    product = seller.offer(stock=5)["id"]
    answers = at_once([lambda: side.visitor().reserve(key, (product, 2))] * 8)
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert seller.stock(product) == 3
    releases = at_once([lambda: side.visitor().settle(key, "release")] * 8)
    assert {answer.status for answer in releases} == {200}
    assert seller.stock(product) == 5


def test_reservations_of_the_same_products_in_any_order_do_not_lock_each_other_out(side: Side) -> None:
    seller = side.seller()
    one, two = seller.offer(stock=100)["id"], seller.offer(stock=100)["id"]
    there = [lambda: side.visitor().reserve(new_key(), (one, 1), (two, 1)) for _ in range(6)]
    back = [lambda: side.visitor().reserve(new_key(), (two, 1), (one, 1)) for _ in range(6)]
    edits = [lambda: seller.send("PATCH", f"/api/catalog/products/{one}", {"title": "x"}) for _ in range(4)]
    assert {answer.status for answer in at_once(there + back + edits)} == {200}
    assert (seller.stock(one), seller.stock(two)) == (88, 88)


def test_a_reservation_is_held_confirmed_and_released(side: Side) -> None:
    seller, other, key = side.seller(), side.visitor(), new_key()
    one, two = seller.offer(title="One", price="1.50"), seller.offer(title="Two")
    held = other.reserve(key, (two["id"], 1), (one["id"], 2))
    lines = [
        {"product_id": one["id"], "quantity": 2, "unit_price": "1.50", "title": "One"},
        {"product_id": two["id"], "quantity": 1, "unit_price": "12.34", "title": "Two"},
    ]
    assert (held.status, held.json()) == (200, {"key": key, "state": "held", "lines": lines})
    seller.send("PATCH", f"/api/catalog/products/{one['id']}", {"price": "9.99"})
    assert other.reserve(key, (one["id"], 2), (two["id"], 1)).json() == held.json()
    assert problem(other.reserve(key, (one["id"], 2))) == (409, "request-key-reused")
    for how, state, stock in (("confirm", "confirmed", 3), ("confirm", "confirmed", 3), ("release", "released", 5)):
        assert other.settle(key, how).json() == {"key": key, "state": state, "lines": lines}
        assert seller.stock(one["id"]) == stock
    assert other.settle(key, "release").json()["lines"] == lines
    assert seller.stock(one["id"]) == 5
    assert problem(other.settle(key, "confirm")) == (409, "reservation-released")
    assert problem(other.reserve(key, (one["id"], 2), (two["id"], 1))) == (409, "reservation-released")
    assert other.get(f"{RESERVATIONS}/{key}").json()["state"] == "released"


def test_a_refused_reservation_takes_nothing_and_leaves_its_key_free(side: Side) -> None:
    seller, other, key = side.seller(), side.visitor(), new_key()
    plenty, few, hidden = (seller.offer(stock=stock)["id"] for stock in (50, 1, 50))
    answer = other.reserve(key, (few, 2), (plenty, 2))
    assert problem(answer) == (409, "out-of-stock")
    assert (answer.json()["product_id"], answer.json()["stock"]) == (few, 1)
    seller.send("PATCH", f"/api/catalog/products/{hidden}", {"hidden": True})
    for product in (hidden, 999_999_999):
        answer = other.reserve(key, (plenty, 1), (product, 1))
        assert problem(answer) == (409, "not-available")
        assert answer.json()["product_id"] == product
    assert seller.stock(plenty) == 50
    assert other.get(f"{RESERVATIONS}/{key}").status == 404
    assert other.reserve(key, (plenty, 1)).status == 200


def test_a_release_that_comes_first_refuses_the_reservation_that_comes_late(side: Side) -> None:
    seller, other, key = side.seller(), side.visitor(), new_key()
    product = seller.offer()["id"]
    assert other.settle(key, "release").json() == {"key": key, "state": "released", "lines": []}
    assert problem(other.reserve(key, (product, 1))) == (409, "reservation-released")
    assert seller.stock(product) == 5


def test_an_unknown_reservation_is_not_found(side: Side) -> None:
    assert problem(side.visitor().settle(new_key(), "confirm")) == (404, "not-found")
    assert problem(side.visitor().get(f"{RESERVATIONS}/{new_key()}")) == (404, "not-found")
    assert problem(side.visitor().get(f"{RESERVATIONS}/1234")) == (404, "not-found")


def test_wrong_lines_are_named_by_their_place(side: Side) -> None:
    other = side.visitor()

    def wrong(lines: object) -> list[str]:
        answer = other.send("PUT", f"{RESERVATIONS}/{new_key()}", {"lines": lines})
        assert answer.status == 422, str(answer)
        return [error["field"] for error in answer.json()["errors"]]

    assert wrong([]) == ["lines"]
    assert wrong([{"product_id": 1, "quantity": 0}]) == ["lines.0.quantity"]
    assert wrong([{"product_id": 1, "quantity": 1, "colour": 1}]) == ["lines.0.colour"]
    assert wrong([{"product_id": 1, "quantity": 1}, {"product_id": 1, "quantity": 2}]) == ["lines"]


def test_a_product_that_comes_twice_is_named_along_with_what_else_is_wrong(side: Side) -> None:
    twice = {"lines": [{"product_id": 1, "quantity": 1}, {"product_id": 1, "quantity": 2}], "colour": 1}
    answer = side.visitor().send("PUT", f"{RESERVATIONS}/{new_key()}", twice)
    assert (answer.status, {error["field"] for error in answer.json()["errors"]}) == (422, {"lines", "colour"})
