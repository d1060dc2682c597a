"""Stock that is held for an order: held, then confirmed or released, each once per key.

A reservation's key stands for the whole request: asking again is answered again and takes nothing twice. A
release that comes before its reservation leaves a tombstone, so that the late reservation is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import BigInteger, Connection, Integer, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from extracted.catalog.errors import (
    NotAvailable,
    OutOfStock,
    RequestKeyReused,
    ReservationNotFound,
    ReservationReleased,
)
from extracted.catalog.storage import inventory, movement, product, reservation, reservation_line
from extracted.platform.database import Database


@dataclass(frozen=True)
class Wanted:
    product_id: int
    quantity: int


@dataclass(frozen=True)
class Line:
    product_id: int
    quantity: int
    unit_price_cents: int
    title: str


@dataclass(frozen=True)
class Reservation:
    key: UUID
    state: str
    lines: tuple[Line, ...]


class Reservations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def reservation(self, key: UUID) -> Reservation:
        with self._database.read() as connection:
            return _found(connection, key)

    def hold(self, key: UUID, wanted: Sequence[Wanted]) -> Reservation:
        """Take the stock of every line, or of none."""
        wanted = sorted(wanted, key=lambda line: line.product_id)
        begin = upsert(reservation).values(key=key, state="held").on_conflict_do_nothing()
        with self._database.write() as connection:
            # Waits for whoever uses the same key right now.
            if connection.execute(begin.returning(reservation.c.key)).one_or_none() is None:
                return _held_before(connection, key, wanted)
            stocks = _locked_stocks(connection, wanted)
            lines = tuple(_line(line, stocks.get(line.product_id)) for line in wanted)
            _move(connection, key, lines, "sale")
            rows = [{"reservation_key": key, **vars(line)} for line in lines]
            connection.execute(insert(reservation_line), rows)
            return Reservation(key, "held", lines)

    def confirm(self, key: UUID) -> Reservation:
        held = update(reservation).where(reservation.c.key == key, reservation.c.state == "held")
        with self._database.write() as connection:
            connection.execute(held.values(state="confirmed", updated_at=func.now()))
            found = _found(connection, key)
            if found.state == "released":
                raise ReservationReleased(key)
            return found

    def release(self, key: UUID) -> Reservation:
        """Give the stock back; again is fine and gives nothing back twice."""
        released = upsert(reservation).values(key=key, state="released")
        released = released.on_conflict_do_update(
            index_elements=[reservation.c.key],
            set_={"state": "released", "updated_at": func.now()},
            where=reservation.c.state != "released",
        )
        with self._database.write() as connection:
            changed = connection.execute(released.returning(reservation.c.key)).one_or_none()
            found = _found(connection, key)
            if changed is not None and found.lines:
                _locked_stocks(connection, found.lines)
                _move(connection, key, found.lines, "return")
            return found


def _found(connection: Connection, key: UUID) -> Reservation:
    state = connection.execute(select(reservation.c.state).where(reservation.c.key == key)).scalar_one_or_none()
    if state is None:
        raise ReservationNotFound(key)
    column = reservation_line.c
    rows = connection.execute(
        select(column.product_id, column.quantity, column.unit_price_cents, column.title)
        .where(column.reservation_key == key)
        .order_by(column.product_id)
    )
    return Reservation(key, state, tuple(Line(*row) for row in rows))


def _held_before(connection: Connection, key: UUID, wanted: Sequence[Wanted]) -> Reservation:
    """The answer to a request that is repeated."""
    found = _found(connection, key)
    if found.state == "released":
        raise ReservationReleased(key)
    if [Wanted(line.product_id, line.quantity) for line in found.lines] != wanted:
        raise RequestKeyReused(key)
    return found


def _locked_stocks(connection: Connection, lines: Sequence[Wanted | Line]) -> Mapping[int, Any]:
    """Stock, price, title and status by product, locked in the order of ids to exclude deadlocks."""
    ids = [line.product_id for line in lines]
    column = product.c
    rows = connection.execute(
        select(column.id, inventory.c.available, column.price_cents, column.title, column.status)
        .join_from(inventory, product, column.id == inventory.c.product_id)
        .where(inventory.c.product_id == func.any(bindparam("ids", ids, ARRAY(BigInteger))))
        .order_by(inventory.c.product_id)
        # Not the product: a foreign key or an edit must not wait for a reservation, nor the reverse.
        .with_for_update(of=inventory)
    )
    return {row.id: row for row in rows}


def _line(wanted: Wanted, stock: Any) -> Line:
    if stock is None or stock.status != "active":
        raise NotAvailable(wanted.product_id)
    if stock.available < wanted.quantity:
        raise OutOfStock(wanted.product_id, stock.available)
    return Line(wanted.product_id, wanted.quantity, stock.price_cents, stock.title)


def _move(connection: Connection, key: UUID, lines: Sequence[Line], kind: str) -> None:
    """Change locked stocks and write the ledger, under keys that both sides would choose."""
    sign = -1 if kind == "sale" else 1
    ids = bindparam("ids", [line.product_id for line in lines], ARRAY(BigInteger))
    deltas = bindparam("deltas", [sign * line.quantity for line in lines], ARRAY(Integer))
    moved = select(func.unnest(ids).label("id"), func.unnest(deltas).label("delta")).subquery("moved")
    connection.execute(
        update(inventory)
        .where(inventory.c.product_id == moved.c.id)
        .values(available=inventory.c.available + moved.c.delta)
    )
    movements = [
        {
            "product_id": line.product_id,
            "delta": sign * line.quantity,
            "kind": kind,
            "request_key": uuid5(key, f"{line.product_id}:{kind}"),
        }
        for line in lines
    ]
    connection.execute(insert(movement), movements)
