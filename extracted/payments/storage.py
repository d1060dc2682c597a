"""The rows of payments as the rest of the code sees them; amounts are cents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from extracted.payments.states import State

outbox = Table(
    "outbox",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("type", Text),
    Column("payload", JSONB),
    Column("created_at", DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class Purchase:
    """`key` is the client's Idempotency-Key and the key of its reservation.

    opened -> placed | undoing; placed -> undoing; undoing -> cancelled, or failed if never placed.
    """

    id: int
    buyer_id: int
    key: UUID
    state: str
    total: int
    failure: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    purchase_id: int
    product_id: int
    seller_id: int
    title: str
    quantity: int
    unit_price: int


@dataclass(frozen=True, slots=True)
class Payment:
    """No row: nobody asks money for the purchase. `intent` is Stripe's name for it; None: the answer is not known."""

    purchase_id: int
    state: State
    amount: int
    refunded: int
    attempt: int
    intent: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Refund:
    """intended -> made | refused; made -> failed (at the bank). The row is there before Stripe is asked."""

    id: int
    purchase_id: int
    key: UUID | None
    seller_id: int | None
    amount: int
    state: str
    reason: str | None
    attempt: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Sale:
    """A line of a seller's in somebody's purchase."""

    purchase_id: int
    product_id: int
    title: str
    quantity: int
    unit_price: int
    purchase_state: str
    payment_state: State | None
    created_at: datetime
