"""Carts and orders."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
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
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from legacy_monolith.database import db


class CartItem(db.Model):  # type: ignore[name-defined]
    __tablename__ = "cart_items"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("cart_items_product_id_idx", "product_id"),
    )

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    quantity: Mapped[int] = mapped_column(Integer)


class Order(db.Model):  # type: ignore[name-defined]
    """`key` is the client's Idempotency-Key and the key of the order's reservation.

    pending -> placed | cancelling; placed -> cancelling; cancelling -> cancelled, or failed if never placed.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("state in ('pending', 'placed', 'cancelling', 'cancelled', 'failed')", name="state"),
        Index("orders_user_id_id_idx", "user_id", "id"),
        Index("orders_unfinished_idx", "retry_at", postgresql_where=text("retry_at is not null")),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    key: Mapped[uuid.UUID] = mapped_column(Uuid, unique=True)
    state: Mapped[str] = mapped_column(Text)
    total: Mapped[Decimal] = mapped_column(Numeric(16, 2))
    # Why it was never placed: the same key again gets the same refusal.
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    # When the background process may take it up; null: nothing is left to do.
    retry_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class OrderLine(db.Model):  # type: ignore[name-defined]
    __tablename__ = "order_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("order_lines_product_id_idx", "product_id"),
    )

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
