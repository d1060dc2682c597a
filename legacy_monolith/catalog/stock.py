"""Reservations of stock, under the keys of those who ask. Nothing commits here: that is the caller's."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text

from legacy_monolith.database import Record, db
from legacy_monolith.errors import NotAvailable, NotFound, OutOfStock, RequestKeyReused, ReservationReleased

Quantities = Mapping[int, int]
"""How many units of which product."""

# Whoever locks whole tables (maintenance does) takes them in this order; two orders would be a deadlock.
_IN_ORDER = text("""
    lock table products, stock_movements, stock_reservations, stock_reservation_lines in row exclusive mode
""")
# Each action writes first and reads afterwards: a side that does not own is refused before it judges by stale rows.
_RESERVE = text("""
    insert into stock_reservations (key, state) values (:key, 'held') on conflict (key) do nothing returning key
""")
_CONFIRM = text("""
    update stock_reservations set state = 'confirmed', updated_at = now() where key = :key and state = 'held'
""")
# The lock on the row lets concurrent releases through one by one; the later ones change nothing.
_RELEASE = text("""
    insert into stock_reservations (key, state) values (:key, 'released')
    on conflict (key) do update set state = 'released', updated_at = now()
    where stock_reservations.state <> 'released' returning key
""")
# By id, so that two reservations never wait for each other; foreign keys may still point to the rows.
_LOCK = text("""
    select id, title, price, stock, not is_hidden and not is_withdrawn as for_sale from products
    where id = any(:ids) order by id for no key update
""")
_MOVE = text("""
    with moved as (select * from unnest(cast(:ids as bigint[]), cast(:deltas as int[]), cast(:keys as uuid[]))
                   as m (id, delta, key)),
         changed as (update products p set stock = p.stock + m.delta from moved m where p.id = m.id)
    insert into stock_movements (product_id, delta, reason, request_key)
    select id, delta, :reason, key from moved order by id
""")
_KEEP_LINES = text("""
    insert into stock_reservation_lines (reservation_key, product_id, quantity, unit_price, title)
    select :key, p.id, w.quantity, p.price, p.title
    from unnest(cast(:ids as bigint[]), cast(:quantities as int[])) as w (id, quantity) join products p using (id)
""")
_FIND = text("""
    select r.state, l.product_id, l.quantity, l.unit_price, l.title
    from stock_reservations r left join stock_reservation_lines l on l.reservation_key = r.key
    where r.key = :key order by l.product_id
""")


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

    @property
    def total(self) -> Decimal:
        return sum((line.unit_price * line.quantity for line in self.lines), Decimal(0))


def reserve(key: UUID, quantities: Quantities) -> Reservation:
    """Take the units, all or none; the same key again gives the same reservation."""
    db.session.execute(_IN_ORDER)
    if db.session.execute(_RESERVE, {"key": key}).first() is None:
        return _reserved_before(key, quantities)
    found = _lock_products(quantities)
    for product_id in sorted(quantities):
        _require(found.get(product_id), product_id, quantities[product_id])
    _move(key, quantities, "sale")
    ids = list(found)
    wanted = {"key": key, "ids": ids, "quantities": [quantities[product_id] for product_id in ids]}
    db.session.execute(_KEEP_LINES, wanted)
    lines = (ReservedLine(row.id, quantities[row.id], row.price, row.title) for row in found.values())
    return Reservation(key, "held", tuple(lines))


def confirm(key: UUID) -> Reservation:
    db.session.execute(_CONFIRM, {"key": key})
    reservation = find(key)
    if reservation.state == "released":
        raise ReservationReleased(f"Reservation {key} has been released.")
    return reservation


def release(key: UUID) -> Reservation:
    """Give the units back, once. An unknown key is released for good, so that a late reserve is refused."""
    db.session.execute(_IN_ORDER)
    is_first = db.session.execute(_RELEASE, {"key": key}).first() is not None
    reservation = find(key)
    if is_first and reservation.lines:
        quantities = {line.product_id: line.quantity for line in reservation.lines}
        _lock_products(quantities)
        _move(key, quantities, "return")
    return reservation


def find(key: UUID) -> Reservation:
    rows = db.session.execute(_FIND, {"key": key}).all()
    if not rows:
        raise NotFound(f"There is no reservation {key}.")
    # A tombstone has no lines: its one row is all null but for the state.
    lines = (ReservedLine(*line) for state, *line in rows if line[0] is not None)
    return Reservation(key, rows[0].state, tuple(lines))


def _reserved_before(key: UUID, quantities: Quantities) -> Reservation:
    reservation = find(key)
    if reservation.state == "released":
        raise ReservationReleased(f"Reservation {key} has been released.")
    if {line.product_id: line.quantity for line in reservation.lines} != dict(quantities):
        raise RequestKeyReused(f"The key {key} was used for another reservation.")
    return reservation


def _lock_products(quantities: Quantities) -> dict[int, Record]:
    rows: Any = db.session.execute(_LOCK, {"ids": list(quantities)})
    return {row.id: row for row in rows}


def _require(product: Record | None, product_id: int, quantity: int) -> None:
    if product is None or not product.for_sale:
        raise NotAvailable(f"Product {product_id} is not for sale.", product_id=product_id)
    if product.stock < quantity:
        detail = f"Product {product_id} has {product.stock} in stock."
        raise OutOfStock(detail, product_id=product_id, stock=product.stock)


def _move(key: UUID, quantities: Quantities, reason: Literal["sale", "return"]) -> None:
    """Change the stock of locked products and write the movements."""
    sign = -1 if reason == "sale" else 1
    ids = sorted(quantities)
    values = {
        "ids": ids,
        "deltas": [sign * quantities[product_id] for product_id in ids],
        "keys": [uuid.uuid5(key, f"{product_id}:{reason}") for product_id in ids],
        "reason": reason,
    }
    db.session.execute(_MOVE, values)
