"""The crowd reads answers, not only status codes: what is wrong in one is found."""

from __future__ import annotations

from typing import Any

import pytest

from tests.load.answers import Criteria, WrongAnswer, order, page, product

LAMP: dict[str, Any] = {
    "id": 1,
    "seller_id": 2,
    "title": "Lamp",
    "description": "",
    "category": "light",
    "price": "12.30",
    "currency": "EUR",
    "stock": 3,
    "status": "active",
    "version": 1,
    "created_at": "2026-01-01T00:00:00.000000Z",
    "updated_at": "2026-01-01T00:00:00.000000Z",
}
ORDER = {
    "id": 7,
    "state": "placed",
    "total": "25.60",
    "lines": [{"unit_price": "12.30", "quantity": 2}, {"unit_price": "1.00", "quantity": 1}],
}


def test_right_answers_pass() -> None:
    assert product(LAMP) == LAMP
    assert page({"items": [LAMP, LAMP | {"id": 2, "price": "13.00"}]}, Criteria(sort="price", category="light"))
    assert order(ORDER)["id"] == 7


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "12.3"},
        {"price": 12.3},
        {"stock": -1},
        {"stock": "3"},
        {"currency": "USD"},
        {"status": "gone"},
        {"version": None},
        {"id": True},
        {"created_at": "2026-01-01T00:00:00Z"},
    ],
)
def test_a_product_with_something_wrong_is_no_product(wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongAnswer):
        product(LAMP | wrong)


@pytest.mark.parametrize(
    ("asked", "items"),
    [
        (Criteria(), [LAMP, LAMP]),
        (Criteria(limit=1), [LAMP, LAMP | {"id": 2}]),
        (Criteria(), [LAMP | {"status": "hidden"}]),
        (Criteria(category="toys"), [LAMP]),
        (Criteria(in_stock=True), [LAMP | {"stock": 0}]),
        (Criteria(min_price="12.31"), [LAMP]),
        (Criteria(max_price="12.29"), [LAMP]),
        (Criteria(seller_id=3), [LAMP]),
        (Criteria(sort="price"), [LAMP, LAMP | {"id": 2, "price": "12.29"}]),
        (Criteria(sort="-price"), [LAMP, LAMP | {"id": 2, "price": "12.31"}]),
    ],
)
def test_a_list_that_was_not_asked_for_is_found_out(asked: Criteria, items: list[dict[str, Any]]) -> None:
    with pytest.raises(WrongAnswer):
        page({"items": items}, asked)


def test_an_order_that_does_not_add_up_is_found_out() -> None:
    with pytest.raises(WrongAnswer, match="its lines add up to 2560 cents"):
        order(ORDER | {"total": "25.61"})
    with pytest.raises(WrongAnswer):
        order(ORDER | {"lines": []})
