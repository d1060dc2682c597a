"""Stock that is held for an order: held, then confirmed or released, each once per key.

A reservation's key stands for the whole request: asking again is answered again and takes nothing twice. A
release that comes before its reservation leaves a tombstone, so that the late reservation is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from extracted.catalog.errors import (
    NotAvailable,
    OutOfStock,
    RequestKeyReused,
    ReservationNotFound,
    ReservationReleased,
)
from extracted.catalog.storage import (
    ONE_PRODUCT,
    change_available,
    insert_movement,
    inventory,
    product,
    product_of,
    reservation,
    reservation_line,
)
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
            state = _state(connection, key)
            if state is None:
                raise ReservationNotFound(key)
            return Reservation(key, state, _lines(connection, key))

    def hold(self, key: UUID, wanted: Sequence[Wanted]) -> Reservation:
        """Take the stock of every line, or of none."""
        wanted = sorted(wanted, key=lambda line: line.product_id)
        with self._database.write() as connection:
            if not _begin(connection, key, "held"):
                return _held_before(connection, key, wanted)
            # In the order of their ids, so that two reservations never wait for each other.
            lines = tuple(_take(connection, key, line) for line in wanted)
            rows = [{"reservation_key": key, **vars(line)} for line in lines]
            connection.execute(insert(reservation_line), rows)
            return Reservation(key, "held", lines)

    def confirm(self, key: UUID) -> Reservation:
        with self._database.write() as connection:
            state = _state(connection, key, locked=True)
            if state is None:
                raise ReservationNotFound(key)
            if state == "released":
                raise ReservationReleased(key)
            if state == "held":
                _set_state(connection, key, "confirmed")
            return Reservation(key, "confirmed", _lines(connection, key))

    def release(self, key: UUID) -> Reservation:
        """Give the stock back; again is fine and gives nothing back twice."""
        with self._database.write() as connection:
            if _begin(connection, key, "released"):
                return Reservation(key, "released", ())
            lines = _lines(connection, key)
            if _state(connection, key, locked=True) != "released":
                for line in lines:
                    _give_back(connection, key, line)
                _set_state(connection, key, "released")
            return Reservation(key, "released", lines)


def _begin(connection: Connection, key: UUID, state: str) -> bool:
    """Whether the key was new. Waits for whoever uses the same key right now."""
    statement = (
        upsert(reservation)
        .values(key=key, state=state)
        .on_conflict_do_nothing(index_elements=[reservation.c.key])
        .returning(reservation.c.key)
    )
    return connection.execute(statement).scalar_one_or_none() is not None


def _state(connection: Connection, key: UUID, locked: bool = False) -> str | None:
    statement = select(reservation.c.state).where(reservation.c.key == key)
    return connection.execute(statement.with_for_update() if locked else statement).scalar_one_or_none()


def _set_state(connection: Connection, key: UUID, state: str) -> None:
    change = update(reservation).where(reservation.c.key == key).values(state=state, updated_at=func.now())
    connection.execute(change)


def _lines(connection: Connection, key: UUID) -> tuple[Line, ...]:
    columns = reservation_line.c
    statement = (
        select(columns.product_id, columns.quantity, columns.unit_price_cents, columns.title)
        .where(columns.reservation_key == key)
        .order_by(columns.product_id)
    )
    return tuple(Line(*row.tuple()) for row in connection.execute(statement))


def _held_before(connection: Connection, key: UUID, wanted: Sequence[Wanted]) -> Reservation:
    """The answer to a request that is repeated."""
    state = _state(connection, key)
    if state is None or state == "released":
        raise ReservationReleased(key)
    lines = _lines(connection, key)
    if [Wanted(line.product_id, line.quantity) for line in lines] != wanted:
        raise RequestKeyReused(key)
    return Reservation(key, state, lines)


def _take(connection: Connection, key: UUID, wanted: Wanted) -> Line:
    """Take the stock of an active product, at its price of this moment."""
    statement = (
        update(inventory)
        .where(
            inventory.c.product_id == wanted.product_id,
            inventory.c.available >= wanted.quantity,
            product.c.id == inventory.c.product_id,
            product.c.status == "active",
        )
        .values(available=inventory.c.available - wanted.quantity)
        .returning(product.c.price_cents, product.c.title)
    )
    taken = connection.execute(statement).one_or_none()
    if taken is None:
        raise _why_not(connection, wanted.product_id)
    _record(connection, key, wanted.product_id, -wanted.quantity, "sale")
    return Line(wanted.product_id, wanted.quantity, taken.price_cents, taken.title)


def _why_not(connection: Connection, product_id: int) -> NotAvailable | OutOfStock:
    row = connection.execute(ONE_PRODUCT, {"id": product_id}).one_or_none()
    if row is None or product_of(row).status != "active":
        return NotAvailable(product_id)
    return OutOfStock(product_id, product_of(row).stock)


def _give_back(connection: Connection, key: UUID, line: Line) -> None:
    change_available(connection, line.product_id, line.quantity)
    _record(connection, key, line.product_id, line.quantity, "return")


def _record(connection: Connection, key: UUID, product_id: int, delta: int, kind: str) -> None:
    """The entry in the ledger, under a key that both sides would choose."""
    insert_movement(connection, product_id, delta, kind, uuid5(key, f"{product_id}:{kind}"))
