"""The catalog's tables, and the statements that more than one module needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Enum,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    select,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.dialects.postgresql import insert as upsert

MOST_STOCK = 1_000_000_000

metadata = MetaData()

product = Table(
    "product",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("seller_id", BigInteger),
    Column("title", Text),
    Column("description", Text),
    Column("category", Text),
    Column("price_cents", BigInteger),
    Column("currency", String(3)),
    Column("status", Enum("active", "hidden", "withdrawn", "archived", name="product_status")),
    Column("version", Integer),
    Column("request_key", Uuid),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
    Column("search", TSVECTOR),
)
inventory = Table(
    "inventory",
    metadata,
    Column("product_id", BigInteger, primary_key=True),
    Column("available", Integer),
)
movement = Table(
    "movement",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("product_id", BigInteger),
    Column("delta", Integer),
    Column("kind", Enum("opening", "adjustment", "sale", "return", name="movement_kind")),
    Column("request_key", Uuid),
)
reservation = Table(
    "reservation",
    metadata,
    Column("key", Uuid, primary_key=True),
    Column("state", Enum("held", "confirmed", "released", name="reservation_state")),
    Column("updated_at", DateTime(timezone=True)),
)
reservation_line = Table(
    "reservation_line",
    metadata,
    Column("reservation_key", Uuid, primary_key=True),
    Column("product_id", BigInteger, primary_key=True),
    Column("quantity", Integer),
    Column("unit_price_cents", BigInteger),
    Column("title", Text),
)


@dataclass(frozen=True, slots=True)
class Product:
    id: int
    seller_id: int
    title: str
    description: str
    category: str
    price_cents: int
    currency: str
    stock: int
    status: str
    version: int
    created_at: datetime
    updated_at: datetime


_COLUMNS = (
    product.c.id,
    product.c.seller_id,
    product.c.title,
    product.c.description,
    product.c.category,
    product.c.price_cents,
    product.c.currency,
    inventory.c.available,
    product.c.status,
    product.c.version,
    product.c.created_at,
    product.c.updated_at,
)
PRODUCTS = select(*_COLUMNS).select_from(product.join(inventory, inventory.c.product_id == product.c.id))
ONE_PRODUCT = PRODUCTS.where(product.c.id == bindparam("id"))

_STOCK = select(inventory.c.available).where(inventory.c.product_id == product.c.id).scalar_subquery()
CHANGED_PRODUCT = tuple(_STOCK if column is inventory.c.available else column for column in _COLUMNS)
"""What an update of `product` returns."""


def product_of(row: Sequence[Any]) -> Product:
    return Product(*row)


def insert_new(connection: Connection, table: Table, values: dict[str, Any]) -> int | None:
    """The id of a new row; None if its request key was used before."""
    statement = upsert(table).values(values).on_conflict_do_nothing(index_elements=[table.c.request_key])
    new_id: int | None = connection.execute(statement.returning(table.c.id)).scalar_one_or_none()
    return new_id
