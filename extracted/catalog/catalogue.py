"""What sellers and buyers do with products.

Changes write first and judge afterwards: a side that does not own the catalog is refused by its database
before it can say anything from rows that may be old.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, func, insert, select, update

from extracted.catalog.errors import (
    NotOwner,
    OutOfStock,
    ProductNotFound,
    RequestKeyReused,
    VersionMismatch,
)
from extracted.catalog.listing import Listing, Page
from extracted.catalog.statuses import hidden_or_shown, withdrawn
from extracted.catalog.storage import (
    CHANGED_PRODUCT,
    MOST_STOCK,
    ONE_PRODUCT,
    PRODUCTS,
    Product,
    insert_new,
    inventory,
    movement,
    product,
    product_of,
)
from extracted.platform.database import Database
from extracted.platform.problems import FieldError, InvalidFields


@dataclass(frozen=True)
class Draft:
    """A product as its seller describes it."""

    title: str
    description: str
    category: str
    price_cents: int
    stock: int
    request_key: UUID | None


@dataclass(frozen=True)
class StockChange:
    product_id: int
    stock: int
    movement_id: int


class Catalogue:
    def __init__(self, database: Database) -> None:
        self._database = database

    def product(self, product_id: int, viewer: Callable[[], int | None] = lambda: None) -> Product:
        """A product. Who views it is asked only if it is hidden or archived: such a one is its seller's alone.

        A withdrawn one stays visible, because orders point to it."""
        with self._database.read() as connection:
            found = _product(connection, product_id)
        if found.status in ("hidden", "archived") and found.seller_id != viewer():
            raise ProductNotFound(product_id)
        return found

    def products(self, listing: Listing) -> Page:
        with self._database.read() as connection:
            rows = connection.execute(listing.statement()).all()
        return listing.page([product_of(row) for row in rows])

    def look_up(self, ids: list[int]) -> list[Product]:
        """Those of these products that exist, whatever their status: for other domains, not for people."""
        with self._database.read() as connection:
            rows = connection.execute(PRODUCTS.where(product.c.id.in_(ids)).order_by(product.c.id)).all()
        return [product_of(row) for row in rows]

    def create(self, seller_id: int, draft: Draft) -> tuple[Product, bool]:
        """The new product and True; the one that the same request made before and False."""
        values = {
            "seller_id": seller_id,
            "title": draft.title,
            "description": draft.description,
            "category": draft.category,
            "price_cents": draft.price_cents,
            "request_key": draft.request_key,
        }
        with self._database.write() as connection:
            product_id = insert_new(connection, product, values)
            if product_id is None:
                return _created_before(connection, seller_id, draft.request_key), False
            connection.execute(insert(inventory), {"product_id": product_id, "available": draft.stock})
            if draft.stock:
                opening = {"product_id": product_id, "delta": draft.stock, "kind": "opening"}
                connection.execute(insert(movement), {**opening, "request_key": uuid4()})
            return _product(connection, product_id), True

    def edit(self, seller_id: int, product_id: int, changes: dict[str, Any], version: int | None) -> Product:
        """Change columns of an own product; `hidden` is one of the two switches that make its status."""
        columns = dict(changes)
        if "hidden" in columns:
            columns["status"] = hidden_or_shown(product.c.status, columns.pop("hidden"))
        mine = update(product).where(product.c.id == product_id, product.c.seller_id == seller_id)
        if version is not None:
            mine = mine.where(product.c.version == version)
        with self._database.write() as connection:
            changed = _changed(connection, mine, columns)
            if changed is None:
                current = _own_product(connection, seller_id, product_id)
                raise VersionMismatch(product_id, current.version)
            return changed

    def withdraw(self, seller_id: int, product_id: int) -> Product:
        """Take an own product out of the shop; again is fine and changes nothing."""
        mine = update(product).where(
            product.c.id == product_id,
            product.c.seller_id == seller_id,
            product.c.status.in_(("active", "hidden")),
        )
        with self._database.write() as connection:
            changed = _changed(connection, mine, {"status": withdrawn(product.c.status)})
            return changed or _own_product(connection, seller_id, product_id)

    def change_stock(self, seller_id: int, product_id: int, delta: int, key: UUID) -> StockChange:
        """Add to the stock or take from it, once per key."""
        with self._database.write() as connection:
            stock = _moved_stock(connection, seller_id, product_id, delta)
            if stock is not None:
                # Its id is drawn under the lock of the stock, so ids are in the order of the changes.
                made = {"product_id": product_id, "delta": delta, "kind": "adjustment", "request_key": key}
                movement_id = insert_new(connection, movement, made)
                if movement_id is not None:
                    return StockChange(product_id, stock, movement_id)
            connection.rollback()
            return _changed_before(connection, seller_id, product_id, delta, key)


def _product(connection: Connection, product_id: int) -> Product:
    row = connection.execute(ONE_PRODUCT, {"id": product_id}).one_or_none()
    if row is None:
        raise ProductNotFound(product_id)
    return product_of(row)


def _own_product(connection: Connection, seller_id: int, product_id: int) -> Product:
    found = _product(connection, product_id)
    if found.seller_id != seller_id:
        raise NotOwner(product_id)
    return found


def _created_before(connection: Connection, seller_id: int, key: UUID | None) -> Product:
    found = product_of(connection.execute(PRODUCTS.where(product.c.request_key == key)).one())
    if found.seller_id != seller_id:
        raise RequestKeyReused(key)
    return found


def _changed(connection: Connection, statement: Any, columns: dict[str, Any]) -> Product | None:
    columns = {**columns, "version": product.c.version + 1, "updated_at": func.now()}
    row = connection.execute(statement.values(columns).returning(*CHANGED_PRODUCT)).one_or_none()
    return None if row is None else product_of(row)


def _moved_stock(connection: Connection, seller_id: int, product_id: int, delta: int) -> int | None:
    """The stock after the change; None if it was not made."""
    after = inventory.c.available + delta
    change = update(inventory).where(
        inventory.c.product_id == product_id,
        after.between(0, MOST_STOCK),
        product.c.id == inventory.c.product_id,
        product.c.seller_id == seller_id,
    )
    stock: int | None = connection.execute(
        change.values(available=after).returning(inventory.c.available)
    ).scalar_one_or_none()
    return stock


def _changed_before(connection: Connection, seller_id: int, product_id: int, delta: int, key: UUID) -> StockChange:
    """The first answer to a repeated request; if there was none, the reason why this one is refused."""
    own = _own_product(connection, seller_id, product_id)
    made = movement.c
    first = connection.execute(
        select(made.id, made.product_id, made.delta, made.kind).where(made.request_key == key)
    ).one_or_none()
    if first is None and own.stock + delta > MOST_STOCK:
        raise InvalidFields([FieldError("delta", f"would make the stock exceed {MOST_STOCK}")])
    if first is None:
        raise OutOfStock(product_id, own.stock)
    if (first.product_id, first.delta, first.kind) != (product_id, delta, "adjustment"):
        raise RequestKeyReused(key)
    until_then = select(func.sum(made.delta)).where(made.product_id == product_id, made.id <= first.id)
    return StockChange(product_id, int(connection.execute(until_then).scalar_one()), int(first.id))
