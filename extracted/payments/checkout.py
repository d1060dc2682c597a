"""Checkout and cancel: each decision falls in the purchase's row, and the stock follows it.

The catalog is another domain, behind the internal listener. Each step is committed before the next call, so a process
may die on any line: `advance` goes on from the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from extracted.payments import collecting, ledger, purchases, states, telling
from extracted.payments.carts import LARGEST_CART, Carts
from extracted.payments.collecting import Collecting
from extracted.payments.errors import (
    AmountNotPayable,
    CartEmpty,
    CartFull,
    CatalogInDoubt,
    CheckoutExpired,
    CheckoutInProgress,
    NotAvailable,
    OrderFailed,
    OrderNotFound,
    OutOfStock,
    PaymentInDoubt,
    RequestKeyReused,
    ReservationLost,
    ReservationReleased,
)
from extracted.payments.stock import Catalog, Reservation
from extracted.payments.storage import Purchase
from extracted.platform.database import Database
from extracted.platform.problems import Refusal, Unavailable
from extracted.platform.validation import money

REFUSALS: Mapping[str, type[Refusal]] = {
    refusal.code: refusal
    for refusal in (OutOfStock, NotAvailable, ReservationReleased, CheckoutExpired, AmountNotPayable)
}
# How often a cart is read again because it changed while the catalog was asked about it.
READINGS = 3


class Checkout:
    def __init__(self, database: Database, catalog: Catalog, collecting: Collecting) -> None:
        self._database = database
        self._catalog = catalog
        self._collecting = collecting

    def check_out(self, buyer_id: int, key: UUID) -> tuple[Purchase, bool]:
        """The purchase under `key`, and whether this request placed it."""
        if earlier := self._by_key(key):
            return _placed(earlier, buyer_id), False
        purchase_id = self._open(buyer_id, key)
        try:
            if purchase_id is not None:
                self.advance(purchase_id)
        except CatalogInDoubt:
            purchase = self._by_key(key)
            # Placed but not yet confirmed is placed; everything else is in doubt for the client, too.
            if purchase is None or purchase.state != "placed":
                raise
        else:
            purchase = self._by_key(key)
        if purchase is None:
            raise CheckoutInProgress(f"The checkout {key} is still being worked on.")
        return _placed(purchase, buyer_id), purchase_id is not None

    def cancel(self, buyer_id: int, purchase_id: int) -> Purchase:
        """The purchase, cancelled; or still `undoing`, if it cannot be known yet that its stock is back."""
        purchase = self.find(buyer_id, purchase_id)
        if purchase.state == "opened":
            raise CheckoutInProgress(f"Order {purchase_id} is still being placed.")
        if purchase.state == "failed" or purchase.failure is not None:
            raise OrderFailed(f"Order {purchase_id} was never placed.")
        try:
            if self._collecting.give_up(purchase_id):
                self._collecting.end(purchase_id)
            else:
                with self._database.write() as connection:
                    collecting.begin_cancel(connection, purchase_id)
            self.advance(purchase_id)
        except (PaymentInDoubt, CatalogInDoubt):
            # No unit goes back while somebody may still pay for it; what was decided is gone on with later.
            return self.find(buyer_id, purchase_id)
        return self.find(buyer_id, purchase_id)

    def find(self, buyer_id: int, purchase_id: int) -> Purchase:
        with self._database.read() as connection:
            purchase = purchases.by_id(connection, purchase_id)
        if purchase is None or purchase.buyer_id != buyer_id:
            raise OrderNotFound(purchase_id)
        return purchase

    def advance(self, purchase_id: int) -> None:
        """Take the purchase as far as it goes from its state. Anyone may repeat it at any time."""
        purchase = self._known(purchase_id)
        if purchase.state == "opened":
            self._reserve(purchase)
            # Somebody else may have decided first: what counts is the row.
            purchase = self._known(purchase_id)
        if purchase.state == "placed":
            try:
                self._catalog.confirm(purchase.key)
            except ReservationReleased:
                self._require_undone(purchase_id)
            with self._database.write() as connection:
                purchases.finished(connection, purchase_id)
        elif purchase.state == "undoing" and not self._is_open(purchase_id):
            self._catalog.release(purchase.key)
            with self._database.write() as connection:
                purchases.undone(connection, purchase_id)

    def expire(self, purchase_id: int) -> None:
        """Give up on a checkout that could not be finished in time, unless it is decided otherwise by now."""
        refusal = CheckoutExpired("The catalog did not answer in time; nothing was ordered.")
        with self._database.write() as connection:
            purchases.begin_undo(connection, purchase_id, "opened", _failure(refusal))

    def _open(self, buyer_id: int, key: UUID) -> int | None:
        """The purchase with the cart's lines; None if the key has one."""
        carts = Carts(self._database, self._catalog)
        for _ in range(READINGS):
            products = carts.products(buyer_id)
            with self._database.write() as connection:
                purchase_id = purchases.open_purchase(connection, buyer_id, key)
                if purchase_id is None:
                    return None
                quantities = purchases.take_cart(connection, buyer_id)
                if not quantities:
                    raise CartEmpty("There is nothing in the cart.")
                if len(quantities) > LARGEST_CART:
                    raise CartFull(f"An order has at most {LARGEST_CART} lines.")
                if quantities.keys() <= products.keys():
                    purchases.add_lines(connection, purchase_id, quantities, products)
                    return purchase_id
                # Something else came into the cart meanwhile.
                connection.rollback()
        raise Unavailable("The cart is being changed at the same time.")

    def _reserve(self, purchase: Purchase) -> None:
        with self._database.read() as connection:
            lines = purchases.lines(connection, [purchase.id])
        try:
            reservation = self._catalog.reserve(purchase.key, {line.product_id: line.quantity for line in lines})
            self._require_payable(reservation)
        except tuple(REFUSALS.values()) as refusal:
            with self._database.write() as connection:
                purchases.begin_undo(connection, purchase.id, "opened", _failure(refusal))
        else:
            with self._database.write() as connection:
                self._place(connection, purchase.id, reservation)

    def _place(self, connection: Connection, purchase_id: int, reservation: Reservation) -> None:
        """With its payment, if there is anything to pay: none is ever placed that nobody will ask money for."""
        if not purchases.place(connection, purchase_id, reservation):
            return
        if purchase := purchases.by_id(connection, purchase_id):
            telling.placed(connection, purchase)
        if reservation.total and self._collecting.takes_payments:
            ledger.open_payment(connection, purchase_id, reservation.total)
        else:
            telling.sold(connection, purchase_id)

    def _require_payable(self, reservation: Reservation) -> None:
        if self._collecting.takes_payments and not states.can_be_charged(reservation.total):
            raise AmountNotPayable(f"{money(reservation.total)} EUR cannot be charged.")

    def _require_undone(self, purchase_id: int) -> None:
        """A released reservation is right if the purchase was cancelled meanwhile, else a loud error."""
        purchase = self._known(purchase_id)
        if purchase.state == "placed":
            raise ReservationLost(purchase.key)

    def _is_open(self, purchase_id: int) -> bool:
        with self._database.read() as connection:
            return ledger.is_open(connection, purchase_id)

    def _by_key(self, key: UUID) -> Purchase | None:
        with self._database.read() as connection:
            return purchases.by_key(connection, key)

    def _known(self, purchase_id: int) -> Purchase:
        with self._database.read() as connection:
            purchase = purchases.by_id(connection, purchase_id)
        if purchase is None:
            raise OrderNotFound(purchase_id)
        return purchase


def _placed(purchase: Purchase, buyer_id: int) -> Purchase:
    """The answer to a checkout whose purchase exists: that, or the reason why it was never placed."""
    if purchase.buyer_id != buyer_id:
        raise RequestKeyReused(f"The key {purchase.key} was used for another request.")
    if purchase.failure is not None and purchase.state == "failed":
        kind = REFUSALS[purchase.failure["code"]]
        raise kind(purchase.failure["detail"], **purchase.failure["facts"])
    if purchase.state == "opened" or purchase.failure is not None:
        raise CheckoutInProgress(f"The checkout {purchase.key} is still being worked on.")
    return purchase


def _failure(refusal: Refusal) -> dict[str, Any]:
    """As the other side writes it, too: the same key again gets the same refusal there."""
    return {"code": refusal.code, "detail": str(refusal), "facts": refusal.facts}
