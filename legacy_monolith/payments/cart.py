"""The cart: rows that point to products."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from legacy_monolith import seam
from legacy_monolith.database import db
from legacy_monolith.errors import CartFull, NotAvailable, NotFound, TemporarilyUnavailable
from legacy_monolith.web import amount

LARGEST_CART = 100
LARGEST_QUANTITY = 1000

# How long a new product may be on its way from the side that owns the catalog.
COPY_SECONDS = 2.0
COPY_POLL_SECONDS = 0.02

_PUT = text("""
    insert into cart_items (user_id, product_id, quantity)
    select :user_id, id, :quantity from products where id = :product_id and not is_hidden and not is_withdrawn
    on conflict (user_id, product_id) do update set quantity = excluded.quantity
    returning (select count(*) from cart_items where user_id = :user_id and product_id <> :product_id)
""")
_REMOVE = text("delete from cart_items where user_id = :user_id and product_id = :product_id")
_PRODUCT = text("select 1 from products where id = :product_id")
_SHOW = text("""
    select c.product_id, c.quantity, p.title, p.price, p.stock >= c.quantity
           and not p.is_hidden and not p.is_withdrawn as available
    from cart_items c join products p on p.id = c.product_id
    where c.user_id = :user_id order by c.product_id
""")


def put(user_id: int, product_id: int, quantity: int) -> None:
    values = {"user_id": user_id, "product_id": product_id, "quantity": quantity}
    others = db.session.execute(_PUT, values).scalar()
    if others is None:
        _wait_until_known(product_id)
        others = db.session.execute(_PUT, values).scalar()
    if others is None:
        raise NotAvailable(f"Product {product_id} is not for sale.", product_id=product_id)
    if others >= LARGEST_CART:
        raise CartFull(f"A cart holds at most {LARGEST_CART} different products.")


def remove(user_id: int, product_id: int) -> None:
    db.session.execute(_REMOVE, {"user_id": user_id, "product_id": product_id})


def shown(user_id: int) -> dict[str, Any]:
    rows = db.session.execute(_SHOW, {"user_id": user_id}).all()
    items = [
        {
            "product_id": row.product_id,
            "title": row.title,
            "quantity": row.quantity,
            "unit_price": amount(row.price),
            "available": row.available,
        }
        for row in rows
    ]
    total = sum((row.price * row.quantity for row in rows), Decimal(0))
    return {"items": items, "total": amount(total), "currency": "EUR"}


def _wait_until_known(product_id: int) -> None:
    """The row that the foreign key needs; while another side owns the catalog, it may still be on its way."""
    if _is_known(product_id):
        return
    may_come = seam.exists_elsewhere(product_id)
    deadline = time.monotonic() + COPY_SECONDS
    # Looked for again even if nothing is to come: it may have come in between.
    while not _is_known(product_id):
        if not may_come:
            raise NotFound(f"There is no product {product_id}.")
        # Neither a connection nor a snapshot is kept while waiting.
        db.session.rollback()
        if time.monotonic() > deadline:
            raise TemporarilyUnavailable(f"Product {product_id} is not known here yet.")
        time.sleep(COPY_POLL_SECONDS)


def _is_known(product_id: int) -> bool:
    return db.session.execute(_PRODUCT, {"product_id": product_id}).first() is not None
