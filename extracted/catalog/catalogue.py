"""What sellers and buyers do with products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Select, func, select, update

from extracted.catalog.errors import NotOwner, OutOfStock, ProductNotFound, RequestKeyReused, VersionMismatch
from extracted.catalog.listing import Listing, Page
from extracted.catalog.storage import (
    ONE_PRODUCT,
    PRODUCTS,
    Product,
    change_available,
    insert_movement,
    inventory,
    movement,
    new_row,
    product,
    product_of,
)
from extracted.platform.database import Database
from extracted.platform.problems import FieldError, InvalidFields

MOST_STOCK = 1_000_000_000

# Both ways between a status and the two switches that make it.
STATUS_OF = {
    (False, False): "active",
    (True, False): "hidden",
    (False, True): "withdrawn",
    (True, True): "archived",
}
SWITCHES_OF = {status: switches for switches, status in STATUS_OF.items()}

# Each locks one of the two rows only. Whoever reserves holds the inventory and then needs the product for its
# foreign keys, which this lock of the product allows; locking both rows here would be a deadlock.
PRODUCT_LOCKED = ONE_PRODUCT.with_for_update(of=product, key_share=True)
STOCK_LOCKED = ONE_PRODUCT.with_for_update(of=inventory)


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

    def product(self, product_id: int, viewer: int | None = None) -> Product:
        """A product; one that is hidden or archived only for its seller. Orders point to withdrawn ones."""
        with self._database.read() as connection:
            row = connection.execute(ONE_PRODUCT, {"id": product_id}).one_or_none()
        if row is None:
            raise ProductNotFound(product_id)
        found = product_of(row)
        if found.status in ("hidden", "archived") and found.seller_id != viewer:
            raise ProductNotFound(product_id)
        return found

    def products(self, listing: Listing) -> Page:
        with self._database.read() as connection:
            rows = connection.execute(listing.statement()).all()
        return listing.page([product_of(row) for row in rows])

    def create(self, seller_id: int, draft: Draft) -> tuple[Product, bool]:
        """The new product and True; the product made before under the same key and False."""
        with self._database.write() as connection:
            values = {
                "seller_id": seller_id,
                "title": draft.title,
                "description": draft.description,
                "category": draft.category,
                "price_cents": draft.price_cents,
                "request_key": draft.request_key,
            }
            product_id = new_row(connection, product, values, product.c.request_key)
            if product_id is None:
                return _created_before(connection, seller_id, draft.request_key), False
            connection.execute(inventory.insert(), {"product_id": product_id, "available": draft.stock})
            if draft.stock:
                insert_movement(connection, product_id, draft.stock, "opening", uuid4())
            return _product(connection, product_id), True

    def edit(self, seller_id: int, product_id: int, changes: dict[str, Any], version: int | None) -> Product:
        """Change columns of an own product; `hidden` is one of its two switches."""
        with self._database.write() as connection:
            before = _own_product(connection, PRODUCT_LOCKED, seller_id, product_id)
            if version is not None and version != before.version:
                raise VersionMismatch(product_id, before.version)
            hidden, withdrawn = SWITCHES_OF[before.status]
            columns = dict(changes)
            columns["status"] = STATUS_OF[columns.pop("hidden", hidden), withdrawn]
            return _changed(connection, product_id, columns)

    def withdraw(self, seller_id: int, product_id: int) -> Product:
        """Take an own product out of the shop; again is fine and changes nothing."""
        with self._database.write() as connection:
            before = _own_product(connection, PRODUCT_LOCKED, seller_id, product_id)
            hidden, withdrawn = SWITCHES_OF[before.status]
            if withdrawn:
                return before
            return _changed(connection, product_id, {"status": STATUS_OF[hidden, True]})

    def change_stock(self, seller_id: int, product_id: int, delta: int, key: UUID) -> StockChange:
        """Add to the stock or take from it, once per key."""
        with self._database.write() as connection:
            # The lock makes changes of one product's stock, and so the ids of its movements, take turns.
            before = _own_product(connection, STOCK_LOCKED, seller_id, product_id)
            if earlier := _earlier_change(connection, product_id, delta, key):
                return earlier
            if before.stock + delta < 0:
                raise OutOfStock(product_id, before.stock)
            if before.stock + delta > MOST_STOCK:
                raise InvalidFields([FieldError("delta", f"would make the stock more than {MOST_STOCK}")])
            change_available(connection, product_id, delta)
            movement_id = insert_movement(connection, product_id, delta, "adjustment", key)
            if movement_id is None:
                # Used for another product just now.
                raise RequestKeyReused(key)
            return StockChange(product_id, before.stock + delta, movement_id)


def _product(connection: Connection, product_id: int) -> Product:
    return product_of(connection.execute(ONE_PRODUCT, {"id": product_id}).one())


def _own_product(connection: Connection, statement: Select[Any], seller_id: int, product_id: int) -> Product:
    """A product of this seller, locked by the statement until the transaction ends."""
    row = connection.execute(statement, {"id": product_id}).one_or_none()
    if row is None:
        raise ProductNotFound(product_id)
    found = product_of(row)
    if found.seller_id != seller_id:
        raise NotOwner(product_id)
    return found


def _created_before(connection: Connection, seller_id: int, key: UUID | None) -> Product:
    row = connection.execute(PRODUCTS.where(product.c.request_key == key)).one()
    found = product_of(row)
    if found.seller_id != seller_id:
        raise RequestKeyReused(key)
    return found


def _changed(connection: Connection, product_id: int, columns: dict[str, Any]) -> Product:
    statement = update(product).where(product.c.id == product_id)
    columns = {**columns, "version": product.c.version + 1, "updated_at": func.now()}
    connection.execute(statement.values(columns))
    return _product(connection, product_id)


def _earlier_change(connection: Connection, product_id: int, delta: int, key: UUID) -> StockChange | None:
    """The first answer to a request that is repeated."""
    columns = movement.c
    made = select(columns.id, columns.product_id, columns.delta, columns.kind).where(
        columns.request_key == key
    )
    earlier = connection.execute(made).one_or_none()
    if earlier is None:
        return None
    if (earlier.product_id, earlier.delta, earlier.kind) != (product_id, delta, "adjustment"):
        raise RequestKeyReused(key)
    until_then = select(func.sum(columns.delta)).where(
        columns.product_id == product_id, columns.id <= earlier.id
    )
    return StockChange(product_id, int(connection.execute(until_then).scalar_one()), int(earlier.id))
