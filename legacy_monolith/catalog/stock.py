"""Reservations of stock, under the keys of those who ask. Nothing commits here: that is the caller's."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger, Integer, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.sql import bindparam

from legacy_monolith.catalog.models import Product, StockMovement, StockReservation, StockReservationLine
from legacy_monolith.database import Record, db
from legacy_monolith.errors import NotAvailable, NotFound, OutOfStock, RequestKeyReused, ReservationReleased

Quantities = Mapping[int, int]
"""How many units of which product."""


@dataclass(frozen=True)
class ReservedLine:
    product_id: int
    quantity: int
    unit_price: Decimal
    title: str


@dataclass(frozen=True)
class Reservation:
    key: UUID
    state: str
    lines: tuple[ReservedLine, ...]


def reserve(key: UUID, quantities: Quantities) -> Reservation:
    """Take the units, all or none; the same key again gives the same reservation."""
    row = insert(StockReservation).values(key=key, state="held")
    is_new = db.session.execute(row.on_conflict_do_nothing().returning(StockReservation.key)).scalar()
    if is_new is None:
        return _reserved_before(key, quantities)
    found = _lock_products(quantities)
    for product_id in sorted(quantities):
        _require(found.get(product_id), product_id, quantities[product_id])
    _move(key, quantities, "sale")
    lines = tuple(
        ReservedLine(product.id, quantities[product.id], product.price, product.title) for product in found.values()
    )
    db.session.execute(insert(StockReservationLine).values([_line_values(key, line) for line in lines]))
    return Reservation(key, "held", lines)


def confirm(key: UUID) -> Reservation:
    statement = update(StockReservation).where(StockReservation.key == key, StockReservation.state == "held")
    db.session.execute(statement.values(state="confirmed", updated_at=func.now()))
    reservation = find(key)
    if reservation.state == "released":
        raise ReservationReleased(f"Reservation {key} has been released.")
    return reservation


def release(key: UUID) -> Reservation:
    """Give the units back, once. An unknown key is released for good, so that a late reserve is refused."""
    statement = insert(StockReservation).values(key=key, state="released")
    # The lock on the row lets concurrent releases through one by one; the later ones change nothing.
    changed = db.session.execute(
        statement.on_conflict_do_update(
            index_elements=[StockReservation.key],
            set_={"state": "released", "updated_at": func.now()},
            where=StockReservation.state != "released",
        ).returning(StockReservation.key)
    ).scalar()
    reservation = find(key)
    if changed is not None and reservation.lines:
        quantities = {line.product_id: line.quantity for line in reservation.lines}
        _lock_products(quantities)
        _move(key, quantities, "return")
    return reservation


def find(key: UUID) -> Reservation:
    state = db.session.execute(select(StockReservation.state).where(StockReservation.key == key)).scalar()
    if state is None:
        raise NotFound(f"There is no reservation {key}.")
    columns = (
        StockReservationLine.product_id,
        StockReservationLine.quantity,
        StockReservationLine.unit_price,
        StockReservationLine.title,
    )
    rows = db.session.execute(
        select(*columns).where(StockReservationLine.reservation_key == key).order_by(StockReservationLine.product_id)
    )
    return Reservation(key, state, tuple(ReservedLine(*row) for row in rows))


def _reserved_before(key: UUID, quantities: Quantities) -> Reservation:
    reservation = find(key)
    if reservation.state == "released":
        raise ReservationReleased(f"Reservation {key} has been released.")
    if {line.product_id: line.quantity for line in reservation.lines} != dict(quantities):
        raise RequestKeyReused(f"The key {key} was used for another reservation.")
    return reservation


def _lock_products(quantities: Quantities) -> dict[int, Record]:
    """By id, so that two reservations never wait for each other; foreign keys may still point here."""
    columns = (
        Product.id,
        Product.title,
        Product.price,
        Product.stock,
        Product.is_hidden,
        Product.is_withdrawn,
    )
    rows = db.session.execute(
        select(*columns)
        .where(Product.id == func.any(_array("ids", sorted(quantities), BigInteger())))
        .order_by(Product.id)
        .with_for_update(key_share=True)
    )
    return {row.id: row for row in rows}


def _require(product: Record | None, product_id: int, quantity: int) -> None:
    if product is None or product.is_hidden or product.is_withdrawn:
        raise NotAvailable(f"Product {product_id} is not for sale.", product_id=product_id)
    if product.stock < quantity:
        detail = f"Product {product_id} has {product.stock} in stock."
        raise OutOfStock(detail, product_id=product_id, stock=product.stock)


def _move(key: UUID, quantities: Quantities, reason: Literal["sale", "return"]) -> None:
    """Change the stock of locked products and write the movements, in one statement each."""
    sign = -1 if reason == "sale" else 1
    ids = sorted(quantities)
    moved = select(
        func.unnest(_array("ids", ids, BigInteger())).label("id"),
        func.unnest(_array("deltas", [sign * quantities[i] for i in ids], Integer())).label("delta"),
    ).subquery("moved")
    db.session.execute(
        update(Product).where(Product.id == moved.c.id).values(stock=Product.stock + moved.c.delta),
        execution_options={"synchronize_session": False},
    )
    movements = [
        {
            "product_id": product_id,
            "delta": sign * quantities[product_id],
            "reason": reason,
            "request_key": uuid.uuid5(key, f"{product_id}:{reason}"),
        }
        for product_id in ids
    ]
    db.session.execute(insert(StockMovement).values(movements))


def _line_values(key: UUID, line: ReservedLine) -> dict[str, Any]:
    return {
        "reservation_key": key,
        "product_id": line.product_id,
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "title": line.title,
    }


def _array(name: str, values: Sequence[int], of: BigInteger | Integer) -> Any:
    return bindparam(name, list(values), type_=ARRAY(of))
