"""The shapes of the catalog's API: bodies and queries in, documents out."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from extracted.catalog.catalogue import Draft, StockChange
from extracted.catalog.listing import Listing, Page, moment
from extracted.catalog.reservations import Reservation, Wanted
from extracted.catalog.storage import MOST_STOCK, Product
from extracted.platform.problems import FieldError, InvalidFields, Malformed
from extracted.platform.validation import ABSENT, Cents, Id, Input, Key, QueryId, QueryLimit, Text, money


def _not_zero(delta: int) -> int:
    if delta == 0:
        raise ValueError("must not be zero")
    return delta


Title = Annotated[Text, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Description = Annotated[Text, StringConstraints(max_length=10_000)]
Category = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
Stock = Annotated[int, Field(ge=0, le=MOST_STOCK)]
Delta = Annotated[int, Field(ge=-MOST_STOCK, le=MOST_STOCK), AfterValidator(_not_zero)]
Quantity = Annotated[int, Field(ge=1, le=1_000_000)]


class DraftForm(Input):
    title: Title
    description: Description
    category: Category
    price: Cents
    stock: Stock
    request_key: Key = ABSENT

    def draft(self) -> Draft:
        values = self.model_dump()
        return Draft(price_cents=values.pop("price"), **values)


class ChangesForm(Input):
    title: Title = ABSENT
    description: Description = ABSENT
    category: Category = ABSENT
    price: Cents = ABSENT
    hidden: bool = ABSENT

    def changes(self) -> dict[str, Any]:
        """The new values of columns, and of the switch `hidden`."""
        values = self.model_dump(exclude_unset=True)
        if not values:
            raise InvalidFields([FieldError("body", "must have at least one field")])
        if "price" in values:
            values["price_cents"] = values.pop("price")
        return values


class StockForm(Input):
    delta: Delta
    request_key: Key


class LineForm(Input):
    product_id: Id
    quantity: Quantity


def _each_product_once(lines: list[LineForm]) -> list[LineForm]:
    if len({line.product_id for line in lines}) < len(lines):
        raise ValueError("must not name a product twice")
    return lines


class ReservationForm(Input):
    lines: Annotated[list[LineForm], Field(min_length=1, max_length=100), AfterValidator(_each_product_once)]

    def wanted(self) -> list[Wanted]:
        return [Wanted(line.product_id, line.quantity) for line in self.lines]


class ListingForm(Input):
    q: Annotated[Text, StringConstraints(min_length=1, max_length=200)] = ABSENT
    category: Category = ABSENT
    seller_id: QueryId = ABSENT
    min_price: Cents = ABSENT
    max_price: Cents = ABSENT
    in_stock: Literal["true", "false"] = ABSENT
    sort: Literal["newest", "price", "-price", "title"] = "newest"
    limit: QueryLimit = 20
    cursor: Annotated[Text, StringConstraints(min_length=1, max_length=2048)] = ABSENT

    def listing(self, viewer: int | None) -> Listing:
        values = self.model_dump()
        cursor, in_stock = values.pop("cursor"), values.pop("in_stock")
        listing = Listing(**values, in_stock=in_stock and in_stock == "true", viewer=viewer)
        if cursor is None:
            return listing
        if (page := listing.after(cursor)) is None:
            raise InvalidFields([FieldError("cursor", "is not a cursor of this list in this order")])
        return page


def expected_version(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    if not (quoted := re.fullmatch(r'"([0-9]{1,10})"', if_match)):
        raise Malformed('If-Match must be a version in quotes, such as "3".')
    return int(quoted[1])


def product_document(product: Product) -> dict[str, Any]:
    return {
        "id": product.id,
        "seller_id": product.seller_id,
        "title": product.title,
        "description": product.description,
        "category": product.category,
        "price": money(product.price_cents),
        "currency": product.currency,
        "stock": product.stock,
        "status": product.status,
        "version": product.version,
        "created_at": moment(product.created_at),
        "updated_at": moment(product.updated_at),
    }


def page_document(page: Page) -> dict[str, Any]:
    return {"items": [product_document(product) for product in page.items], "next_cursor": page.next_cursor}


def stock_document(change: StockChange) -> dict[str, Any]:
    return {"product_id": change.product_id, "stock": change.stock, "movement_id": change.movement_id}


def reservation_document(reservation: Reservation) -> dict[str, Any]:
    return {
        "key": str(reservation.key),
        "state": reservation.state,
        "lines": [
            {
                "product_id": line.product_id,
                "quantity": line.quantity,
                "unit_price": money(line.unit_price_cents),
                "title": line.title,
            }
            for line in reservation.lines
        ],
    }
