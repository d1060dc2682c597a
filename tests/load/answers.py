"""What an answer of the shop must look like. Pure: JSON in, a complaint or nothing out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STATUSES = frozenset({"active", "hidden", "withdrawn", "archived"})
_PRICE = re.compile(r"\d+\.\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_TYPES: Mapping[str, type] = {
    "id": int,
    "seller_id": int,
    "title": str,
    "description": str,
    "category": str,
    "stock": int,
    "version": int,
}


class WrongAnswer(ValueError):
    """The status was right, the content was not."""


@dataclass(frozen=True)
class Criteria:
    """What a list was asked for; the same value makes the query and judges the answer."""

    category: str = ""
    min_price: str = ""
    max_price: str = ""
    in_stock: bool = False
    q: str = ""
    seller_id: int | None = None
    sort: str = "newest"
    limit: int = 20

    def query(self) -> str:
        wanted: dict[str, object] = {"sort": self.sort, "limit": self.limit}
        for name in ("category", "min_price", "max_price", "q", "seller_id"):
            if value := getattr(self, name):
                wanted[name] = value
        if self.in_stock:
            wanted["in_stock"] = "true"
        return "&".join(f"{name}={value}" for name, value in wanted.items())


def cents(price: str) -> int:
    if not (isinstance(price, str) and _PRICE.fullmatch(price)):
        raise WrongAnswer(f"price {price!r}")
    return int(price.replace(".", ""))


def product(found: Any) -> dict[str, Any]:
    """The product, if it is one."""
    for name, kind in _TYPES.items():
        if type(found.get(name)) is not kind:
            raise WrongAnswer(f"{name} of product {found.get('id')} is {found.get(name)!r}")
    cents(found["price"])
    if found["currency"] != "EUR" or found["status"] not in STATUSES or found["stock"] < 0:
        raise WrongAnswer(f"product {found['id']}: {found['currency']}, {found['status']}, {found['stock']}")
    for name in ("created_at", "updated_at"):
        if not _MOMENT.fullmatch(found[name]):
            raise WrongAnswer(f"{name} of product {found['id']} is {found[name]!r}")
    return dict(found)


def page(found: Any, asked: Criteria, everything: bool = False) -> list[dict[str, Any]]:
    """The products of a list, if it is what was asked for; a seller sees `everything` of their own."""
    items = [product(item) for item in found["items"]]
    if len(items) > asked.limit:
        raise WrongAnswer(f"{len(items)} products on a page of {asked.limit}")
    if len({item["id"] for item in items}) != len(items):
        raise WrongAnswer("the same product twice on one page")
    for item in items:
        _expect_match(item, asked, everything)
    _expect_order(items, asked.sort)
    return items


def _expect_match(item: Mapping[str, Any], asked: Criteria, everything: bool) -> None:
    price = cents(item["price"])
    wrong = (
        (not everything and item["status"] != "active")
        or (asked.category and item["category"] != asked.category)
        or (asked.seller_id and item["seller_id"] != asked.seller_id)
        or (asked.in_stock and item["stock"] == 0)
        or (asked.min_price and price < cents(asked.min_price))
        or (asked.max_price and price > cents(asked.max_price))
    )
    if wrong:
        raise WrongAnswer(f"product {item['id']} does not belong into {asked}")


def _expect_order(items: Sequence[Mapping[str, Any]], sort: str) -> None:
    if "price" not in sort:
        return
    prices = [cents(item["price"]) for item in items]
    if prices != sorted(prices, reverse=sort == "-price"):
        raise WrongAnswer(f"not sorted by {sort}: {prices}")


def order(found: Any) -> dict[str, Any]:
    """The order, if its lines add up to its total; one that was never placed has none."""
    if type(found["id"]) is not int or not found["lines"]:
        raise WrongAnswer(f"order {found.get('id')!r} with lines {found.get('lines')!r}")
    if found["state"] not in ("placed", "cancelled"):
        return dict(found)
    total = sum(cents(line["unit_price"]) * line["quantity"] for line in found["lines"])
    if total != cents(found["total"]):
        raise WrongAnswer(f"order {found['id']} is over {found['total']}, its lines add up to {total} cents")
    return dict(found)


def to_be_paid(order: Any) -> str:
    """The secret with which the browser pays what was just ordered, if all of it is to be paid."""
    payment = order["payment"]
    if payment["state"] != "unpaid" or payment["amount"] != order["total"] or payment["refunded"] != "0.00":
        raise WrongAnswer(f"order {order['id']} over {order['total']} asks for {payment}")
    secret = payment["client_secret"]
    if "_secret_" not in secret:
        raise WrongAnswer(f"order {order['id']} cannot be paid: {secret!r}")
    return str(secret)


def paid_sales(found: Any) -> list[int]:
    """The orders in which a seller sold something that is paid, newest first."""
    for sale in found["items"]:
        if cents(sale["unit_price"]) * sale["quantity"] != cents(sale["total"]):
            raise WrongAnswer(f"sale of order {sale['order_id']} does not add up: {sale}")
    return [
        sale["order_id"]
        for sale in found["items"]
        if sale["payment_state"] in ("paid", "partly_refunded") and sale["order_state"] == "placed"
    ]
