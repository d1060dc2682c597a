"""Carts, orders, and what was paid for them."""

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
        Index("order_lines_seller_id_idx", "seller_id", "order_id", "product_id"),
    )

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    # Who sold it: sales and refunds are payments' own matter, wherever the products are.
    seller_id: Mapped[int] = mapped_column(BigInteger)
    title: Mapped[str] = mapped_column(Text)
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price: Mapped[Decimal] = mapped_column(Numeric(10, 2))


class Payment(db.Model):  # type: ignore[name-defined]
    """Amounts are cents. `payments.states` has the table of its states; no row: nobody asks money for the order."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(
            "state in ('unpaid', 'expiring', 'cancelling', 'cancelled', 'paid', 'partly_refunded', 'refunded')",
            name="state",
        ),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("refunded between 0 and amount", name="refunded"),
        Index("payments_unfinished_idx", "retry_at", postgresql_where=text("retry_at is not null")),
    )

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    amount: Mapped[int] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger, server_default="0")
    # Part of the key under which Stripe is asked; the next one only when a key's answer is spent.
    attempt: Mapped[int] = mapped_column(Integer, server_default="1")
    # Stripe's name for it; null: the answer is not known.
    intent: Mapped[str | None] = mapped_column(Text, unique=True)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    retry_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Refund(db.Model):  # type: ignore[name-defined]
    """intended -> made | refused; made -> failed (at the bank). The row is there before Stripe is asked."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("state in ('intended', 'made', 'refused', 'failed')", name="state"),
        Index("refunds_order_id_id_idx", "order_id", "id"),
        Index("refunds_seller_id_idx", "seller_id"),
        Index("refunds_unfinished_idx", "retry_at", postgresql_where=text("retry_at is not null")),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("payments.order_id"))
    # The seller's Idempotency-Key; null: the shop's own, or made at Stripe past the shop.
    key: Mapped[uuid.UUID | None] = mapped_column(Uuid, unique=True)
    seller_id: Mapped[int | None] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(Integer, server_default="1")
    reference: Mapped[str | None] = mapped_column(Text, unique=True)
    # Stripe's code, if it was refused.
    reason: Mapped[str | None] = mapped_column(Text)
    retry_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class StripeEvent(db.Model):  # type: ignore[name-defined]
    """An event that was taken, written with its effect: it never has a second one."""

    __tablename__ = "stripe_events"
    __table_args__ = (
        Index("stripe_events_order_id_idx", "order_id"),
        Index("stripe_events_created_at_idx", "created_at"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("payments.order_id"))
    type: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
