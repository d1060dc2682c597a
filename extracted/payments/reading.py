"""Purchases and sales as people read them, page by page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass

from extracted.payments import ledger, purchases, refunds
from extracted.payments.errors import invalid
from extracted.payments.stock import Catalog
from extracted.payments.storage import Line, Payment, Purchase, Refund, Sale
from extracted.platform.database import Database
from extracted.platform.validation import LARGEST_ID


@dataclass(frozen=True)
class Told:
    """A purchase with all that its buyer reads of it; `titles` are the products' present ones."""

    purchase: Purchase
    lines: Sequence[Line]
    titles: dict[int, str]
    payment: Payment | None
    refunds: Sequence[Refund]


class Reading:
    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog

    def purchases(self, buyer_id: int, limit: int, cursor: str | None) -> tuple[list[Told], str | None]:
        """The newest first, and the cursor of the next page."""
        before = _decoded(cursor, "orders")[1] if cursor is not None else LARGEST_ID + 1
        with self._database.read() as connection:
            # One more than asked for tells whether there is a next page.
            found = purchases.page(connection, buyer_id, before, limit + 1)
        page = found[:limit]
        following = _encoded("orders", "", page[-1].id) if len(found) > limit else None
        return self.told(page), following

    def told(self, page: Sequence[Purchase]) -> list[Told]:
        """All their lines and payments in one query each."""
        ids = [purchase.id for purchase in page]
        if not ids:
            return []
        with self._database.read() as connection:
            lines = purchases.lines(connection, ids)
            payments = {payment.purchase_id: payment for payment in ledger.of_purchases(connection, ids)}
            given_back = refunds.of_purchases(connection, ids)
        products = self._catalog.look_up(line.product_id for line in lines)
        titles = {product_id: product.title for product_id, product in products.items()}
        return [
            Told(
                purchase,
                [line for line in lines if line.purchase_id == purchase.id],
                titles,
                payments.get(purchase.id),
                [refund for refund in given_back if refund.purchase_id == purchase.id],
            )
            for purchase in page
        ]

    def sales(self, seller_id: int, limit: int, cursor: str | None) -> tuple[list[Sale], str | None]:
        """The newest purchase first; a cursor holds the purchase as its value, and the product."""
        before = _position(cursor) if cursor is not None else (LARGEST_ID + 1, 0)
        with self._database.read() as connection:
            found = ledger.sales(connection, seller_id, before, limit + 1)
        page = found[:limit]
        if len(found) <= limit:
            return page, None
        return page, _encoded("sales", str(page[-1].purchase_id), page[-1].product_id)


def _position(cursor: str) -> tuple[int, int]:
    value, product_id = _decoded(cursor, "sales")
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise _not_a_cursor()
    return int(value), product_id


def _encoded(sort: str, value: str, row_id: int) -> str:
    written = json.dumps([sort, value, row_id], ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(written).decode().rstrip("=")


def _decoded(cursor: str, sort: str) -> tuple[str, int]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        given, value, row_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeError, binascii.Error, ValueError, TypeError, RecursionError):
        raise _not_a_cursor() from None
    if given != sort or not isinstance(value, str) or type(row_id) is not int or not 0 < row_id <= LARGEST_ID:
        raise _not_a_cursor()
    return value, row_id


def _not_a_cursor() -> Exception:
    return invalid("cursor", "is not a cursor of this list in this order")
