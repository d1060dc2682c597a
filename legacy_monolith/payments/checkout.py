"""Checkout and cancel: each decision falls in the order's row, and the stock follows it.

The steps are the same whether the catalog is in this database or behind the seam. Here they are one
transaction; there each is committed before the next call, so a process may die on any line: `advance` goes on
from the row.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from legacy_monolith import seam
from legacy_monolith.catalog.stock import Reservation
from legacy_monolith.database import db
from legacy_monolith.errors import (
    AmountNotPayable,
    CartEmpty,
    CartFull,
    CheckoutExpired,
    CheckoutInProgress,
    NotAvailable,
    NotFound,
    OrderFailed,
    OutOfStock,
    Problem,
    RequestKeyReused,
    ReservationLost,
    ReservationReleased,
)
from legacy_monolith.payments import collecting, events, ledger, orders, states
from legacy_monolith.payments.cart import LARGEST_CART
from legacy_monolith.payments.gateway import PaymentInDoubt
from legacy_monolith.payments.orders import Order

REFUSALS: dict[str, type[Problem]] = {
    problem.code: problem
    for problem in (OutOfStock, NotAvailable, ReservationReleased, CheckoutExpired, AmountNotPayable)
}


def checkout(user_id: int, key: UUID) -> tuple[Order, bool]:
    """The order under `key`, and whether this request placed it."""
    if earlier := orders.by_key(key):
        return _placed(earlier, user_id), False
    opened = False

    def attempt(stock: seam.Stock) -> None:
        nonlocal opened
        order_id = orders.open_order(user_id, key)
        opened = order_id is not None
        if order_id is None:
            return
        _fill(order_id, user_id)
        stock.settle()
        advance(order_id, stock)

    try:
        seam.with_stock(attempt)
    except seam.StockInDoubt:
        db.session.rollback()
        order = orders.by_key(key)
        # Placed but not yet confirmed is placed; everything else is in doubt for the client, too.
        if order is None or order.state != "placed":
            raise
    else:
        order = orders.by_key(key)
    if order is None:
        raise CheckoutInProgress(f"The checkout {key} is still being worked on.")
    return _placed(order, user_id), opened


def cancel(user_id: int, order_id: int) -> Order:
    """The order, cancelled; or still `cancelling`, if it cannot be known yet that its stock is back."""
    order = find(user_id, order_id)
    if order.state == "pending":
        raise CheckoutInProgress(f"Order {order_id} is still being placed.")
    if order.state == "failed" or order.failure is not None:
        raise OrderFailed(f"Order {order_id} was never placed.")
    db.session.rollback()
    if collecting.give_up(order_id):
        try:
            collecting.end(order_id)
        except PaymentInDoubt:
            # No unit goes back while somebody may still pay for it.
            return find(user_id, order_id)

    def attempt(stock: seam.Stock) -> None:
        collecting.begin_cancel(order_id)
        stock.settle()
        advance(order_id, stock)

    try:
        seam.with_stock(attempt)
    except seam.StockInDoubt:
        db.session.rollback()
    return find(user_id, order_id)


def advance(order_id: int, stock: seam.Stock) -> None:
    """Take the order as far as it goes from its state, and commit. Anyone may repeat it at any time."""
    order = _known(order_id)
    if order.state == "pending":
        quantities = orders.quantities(order_id)
        stock.settle()
        try:
            reservation = stock.reserve(order.key, quantities)
            _require_payable(reservation)
        except tuple(REFUSALS.values()) as refusal:
            orders.begin_undo(order_id, "pending", _failure(refusal))
        else:
            _place(order_id, reservation)
        stock.settle()
        # Somebody else may have decided first: what counts is the row.
        order = _known(order_id)
    stock.settle()
    if order.state == "placed":
        try:
            stock.confirm(order.key)
        except ReservationReleased:
            _require_undone(order_id)
        orders.finished(order_id)
    elif order.state == "cancelling" and not ledger.is_open(order_id):
        stock.settle()
        stock.release(order.key)
        orders.undone(order_id)
    db.session.commit()


def _require_payable(reservation: Reservation) -> None:
    if collecting.takes_payments() and not states.can_be_charged(states.cents(reservation.total)):
        raise AmountNotPayable(f"{reservation.total} EUR cannot be charged.")


def _place(order_id: int, reservation: Reservation) -> None:
    """With its payment, if there is anything to pay: no order is ever placed that nobody will ask money for."""
    due = states.cents(reservation.total)
    if not orders.place(order_id, reservation):
        return
    events.order_placed(_known(order_id).user_id, order_id, due, reservation.lines)
    if due and collecting.takes_payments():
        ledger.open_payment(order_id, due)
    else:
        events.order_sold_by_all(order_id)


def expire(order_id: int) -> None:
    """Give up on a checkout that could not be finished in time, unless it is decided otherwise by now."""
    refusal = CheckoutExpired("The catalog did not answer in time; nothing was ordered.")
    orders.begin_undo(order_id, "pending", _failure(refusal))
    db.session.commit()


def find(user_id: int, order_id: int) -> Order:
    order = orders.by_id(order_id)
    if order is None or order.user_id != user_id:
        raise NotFound(f"There is no order {order_id}.")
    return order


def _fill(order_id: int, user_id: int) -> None:
    lines = orders.take_cart(order_id, user_id)
    if not lines:
        raise CartEmpty("There is nothing in the cart.")
    if lines > LARGEST_CART:
        raise CartFull(f"An order has at most {LARGEST_CART} lines.")


def _placed(order: Order, user_id: int) -> Order:
    """The answer to a checkout whose order exists: the order, or the reason why it was never placed."""
    if order.user_id != user_id:
        raise RequestKeyReused(f"The key {order.key} was used for another request.")
    if order.failure is not None and order.state == "failed":
        kind = REFUSALS[order.failure["code"]]
        raise kind(order.failure["detail"], **order.failure["facts"])
    if order.state == "pending" or order.failure is not None:
        raise CheckoutInProgress(f"The checkout {order.key} is still being worked on.")
    return order


def _known(order_id: int) -> Order:
    order = orders.by_id(order_id)
    if order is None:
        raise NotFound(f"There is no order {order_id}.")
    return order


def _require_undone(order_id: int) -> None:
    """A released reservation is right if the order was cancelled meanwhile, else a loud error."""
    db.session.rollback()
    order = _known(order_id)
    if order.state == "placed":
        raise ReservationLost(order.key)


def _failure(refusal: Problem) -> dict[str, Any]:
    return {"code": refusal.code, "detail": refusal.detail, "facts": refusal.facts}
