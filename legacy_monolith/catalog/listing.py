"""The product list: filters, full-text search, four orders, and pages by key."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, false, func, literal, select, tuple_

from legacy_monolith import cursors
from legacy_monolith.catalog.forms import ProductQuery
from legacy_monolith.catalog.models import Product
from legacy_monolith.database import Record, db
from legacy_monolith.web import amount, moment

# Columns, not entities: rows are only shown, and the ORM would make them twice as dear.
products = Product.__table__.c

SHOWN = (
    products.id,
    products.seller_id,
    products.title,
    products.description,
    products.category,
    products.price,
    products.stock,
    products.is_hidden,
    products.is_withdrawn,
    products.version,
    products.created_at,
    products.updated_at,
)

STATUS = {
    (False, False): "active",
    (True, False): "hidden",
    (False, True): "withdrawn",
    (True, True): "archived",
}

# Written as the partial indexes are, so that the planner recognises it.
IS_ACTIVE = ~products.is_hidden & ~products.is_withdrawn


@dataclass(frozen=True)
class Order:
    """One way to sort; `write` and `read` are the sort value in a cursor."""

    column: ColumnElement[Any]
    descending: bool
    write: Callable[[Record], str]
    read: Callable[[str], Any]


_PRICE = re.compile(r"[0-9]{1,8}\.[0-9]{2}")


def _moment_from(value: str) -> datetime:
    parsed = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z")
    if value != moment(parsed):
        raise ValueError(value)
    return parsed


def _price_from(value: str) -> Decimal:
    if not _PRICE.fullmatch(value):
        raise ValueError(value)
    return Decimal(value)


def _title_from(value: str) -> str:
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("not storable")
    return value


# By code point: the same order on every server, whatever its locale.
_TITLE = products.title.collate("C")

ORDERS = {
    "newest": Order(products.created_at, True, lambda row: moment(row.created_at), _moment_from),
    "price": Order(products.price, False, lambda row: amount(row.price), _price_from),
    "-price": Order(products.price, True, lambda row: amount(row.price), _price_from),
    "title": Order(_TITLE, False, lambda row: row.title, _title_from),
}


def page(form: ProductQuery, caller: int | None) -> dict[str, Any]:
    """One page as the client reads it."""
    order = ORDERS[form.sort]
    limit = form.limit
    # One more than asked for tells whether there is a next page.
    rows = db.session.execute(_statement(form, order, caller).limit(limit + 1)).all()
    items = rows[:limit]
    following = cursors.encode(form.sort, order.write(items[-1]), items[-1].id) if len(rows) > limit else None
    return {"items": [shown(row) for row in items], "next_cursor": following}


def shown(row: Record) -> dict[str, Any]:
    """A product as the client reads it."""
    return {
        "id": row.id,
        "seller_id": row.seller_id,
        "title": row.title,
        "description": row.description,
        "category": row.category,
        "price": amount(row.price),
        "currency": "EUR",
        "stock": row.stock,
        "status": STATUS[row.is_hidden, row.is_withdrawn],
        "version": row.version,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }


def _statement(form: ProductQuery, order: Order, caller: int | None) -> Select[*tuple[Any, ...]]:
    statement = select(*SHOWN).where(*_filters(form, caller))
    if form.cursor is not None:
        statement = statement.where(_beyond(form.cursor, form.sort, order))
    columns = (order.column, products.id)
    return statement.order_by(*(column.desc() if order.descending else column.asc() for column in columns))


def _filters(form: ProductQuery, caller: int | None) -> list[ColumnElement[bool]]:
    filters: list[ColumnElement[bool]] = []
    # Sellers see all of their own products, everybody else the active ones.
    if caller is None or form.seller_id != caller:
        filters.append(IS_ACTIVE)
    if form.q is not None:
        filters.append(products.search.op("@@")(func.websearch_to_tsquery("english", form.q)))
    if form.category is not None:
        filters.append(products.category == form.category)
    if form.seller_id is not None:
        filters.append(products.seller_id == form.seller_id)
    if form.min_price is not None:
        filters.append(products.price >= form.min_price)
    if form.max_price is not None:
        filters.append(products.price <= form.max_price)
    if form.in_stock is not None:
        filters.append(products.stock > 0 if form.in_stock == "true" else products.stock == 0)
    return filters or [~false()]


def _beyond(cursor: str, sort: str, order: Order) -> ColumnElement[bool]:
    value, row_id = cursors.decode(cursor, sort)
    try:
        position = order.read(value)
    except ValueError:
        raise cursors.invalid() from None
    # A comparison of rows: one range of the index, exact also where sort values are equal.
    here = tuple_(order.column, products.id)
    there = tuple_(literal(position), literal(row_id))
    return here < there if order.descending else here > there
