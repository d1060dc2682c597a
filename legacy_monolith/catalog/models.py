"""The catalog's tables: products, and every change of their stock."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from legacy_monolith.database import db

SEARCHED = "setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', description), 'B')"
ACTIVE = text("not is_hidden and not is_withdrawn")


class Product(db.Model):  # type: ignore[name-defined]
    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("stock >= 0", name="stock"),
        CheckConstraint("price >= 0", name="price"),
        # One index for each order in which active products are listed; the id makes it total.
        Index("products_newest_idx", "created_at", "id", postgresql_where=ACTIVE),
        Index("products_cheapest_idx", "price", "id", postgresql_where=ACTIVE),
        Index("products_title_idx", text('title collate "C"'), "id", postgresql_where=ACTIVE),
        Index("products_category_newest_idx", "category", "created_at", "id", postgresql_where=ACTIVE),
        Index("products_category_cheapest_idx", "category", "price", "id", postgresql_where=ACTIVE),
        Index("products_seller_idx", "seller_id", "created_at", "id"),
        Index("products_search_idx", "search", postgresql_using="gin"),
        # Stock changes all the time and is in no index: room on the page makes these updates cheap (HOT).
        {"postgresql_with": {"fillfactor": "85"}},
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    seller_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    stock: Mapped[int] = mapped_column(Integer)
    is_hidden: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    is_withdrawn: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    request_key: Mapped[uuid.UUID | None] = mapped_column(Uuid, unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    search: Mapped[str] = mapped_column(TSVECTOR, Computed(SEARCHED, persisted=True))


class StockMovement(db.Model):  # type: ignore[name-defined]
    """Every change of stock; the sum of a product's movements is its stock."""

    __tablename__ = "stock_movements"
    __table_args__ = (
        CheckConstraint("delta <> 0", name="delta"),
        CheckConstraint("reason in ('opening', 'adjustment', 'sale', 'return')", name="reason"),
        Index("stock_movements_product_id_id_idx", "product_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    delta: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(Text)
    request_key: Mapped[uuid.UUID] = mapped_column(Uuid, unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class StockReservation(db.Model):  # type: ignore[name-defined]
    __tablename__ = "stock_reservations"
    __table_args__ = (CheckConstraint("state in ('held', 'confirmed', 'released')", name="state"),)

    key: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class StockReservationLine(db.Model):  # type: ignore[name-defined]
    __tablename__ = "stock_reservation_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("stock_reservation_lines_product_id_idx", "product_id"),
    )

    reservation_key: Mapped[uuid.UUID] = mapped_column(ForeignKey("stock_reservations.key"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    title: Mapped[str] = mapped_column(Text)
