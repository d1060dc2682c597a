"""Lists of products: what is asked for, and the statement that answers it, page by page.

A page begins after the last product of the page before (keyset), so that it costs the same however far one
is, and products that come or go meanwhile neither repeat nor hide others. A cursor is `[sort, value, id]`,
the value as in the product's document: both sides of the domain read each other's cursors.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, tuple_

from extracted.catalog.storage import PRODUCTS, Product, inventory, product
from extracted.platform.validation import LARGEST_ID, cents_of, money


def moment(at: datetime) -> str:
    """RFC 3339 in UTC with all six digits."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Order:
    """A total order of products: by a value and, among equals, by id."""

    value: ColumnElement[Any]
    descending: bool
    write: Callable[[Product], str]
    read: Callable[[str], Any]


def _price(descending: bool) -> Order:
    return Order(product.c.price_cents, descending, lambda found: money(found.price_cents), cents_of)


SORTS = {
    "newest": Order(product.c.created_at, True, lambda found: moment(found.created_at), datetime.fromisoformat),
    "price": _price(descending=False),
    "-price": _price(descending=True),
    "title": Order(product.c.title.collate("C"), False, lambda found: found.title, str),
}


@dataclass(frozen=True)
class Page:
    items: list[Product]
    next_cursor: str | None


@dataclass(frozen=True)
class Listing:
    q: str | None = None
    category: str | None = None
    seller_id: int | None = None
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool | None = None
    sort: str = "newest"
    limit: int = 20
    viewer: int | None = None
    position: tuple[Any, int] | None = None

    def after(self, cursor: str) -> Listing | None:
        """The page that begins behind the cursor; None if it is not a cursor of this order."""
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            sort, value, product_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if sort != self.sort or not isinstance(value, str) or type(product_id) is not int:
                return None
            position = SORTS[self.sort].read(value), product_id
        except (ValueError, TypeError):
            return None
        return replace(self, position=position) if 0 < product_id <= LARGEST_ID else None

    def statement(self) -> Select[Any]:
        order = SORTS[self.sort]
        keys = (order.value, product.c.id)
        statement = PRODUCTS.where(*self._conditions())
        if self.position is not None:
            here, there = tuple_(*keys), tuple_(*self.position)
            statement = statement.where(here < there if order.descending else here > there)
        statement = statement.order_by(*(key.desc() if order.descending else key.asc() for key in keys))
        # One more than asked for tells whether there is a next page.
        return statement.limit(self.limit + 1)

    def _conditions(self) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if self.seller_id is None or self.seller_id != self.viewer:
            conditions.append(product.c.status == "active")
        if self.q is not None:
            conditions.append(product.c.search.op("@@")(func.websearch_to_tsquery("english", self.q)))
        if self.category is not None:
            conditions.append(product.c.category == self.category)
        if self.seller_id is not None:
            conditions.append(product.c.seller_id == self.seller_id)
        if self.min_price is not None:
            conditions.append(product.c.price_cents >= self.min_price)
        if self.max_price is not None:
            conditions.append(product.c.price_cents <= self.max_price)
        if self.in_stock is not None:
            conditions.append(inventory.c.available > 0 if self.in_stock else inventory.c.available == 0)
        return conditions

    def page(self, found: list[Product]) -> Page:
        items = found[: self.limit]
        return Page(items, self._cursor_after(items[-1]) if len(found) > self.limit else None)

    def _cursor_after(self, last: Product) -> str:
        position = [self.sort, SORTS[self.sort].write(last), last.id]
        written = json.dumps(position, ensure_ascii=False, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(written).decode().rstrip("=")
