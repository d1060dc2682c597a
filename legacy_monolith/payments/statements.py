"""Payments as people read them: a buyer with the order, a seller as sales."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from legacy_monolith import cursors
from legacy_monolith.database import db
from legacy_monolith.payments import ledger
from legacy_monolith.payments.ledger import Refund
from legacy_monolith.web import amount, euros, moment

# Positions are order and product; a cursor holds the order as its value.
_SALES = text("""
    select l.order_id, l.product_id, l.title, l.quantity, l.unit_price, o.state, o.created_at, pay.state as payment
    from order_lines l join orders o on o.id = l.order_id left join payments pay on pay.order_id = o.id
    where l.seller_id = :seller_id and (l.order_id, l.product_id) < (:order_id, :product_id)
      and o.state in ('placed', 'cancelling', 'cancelled') and o.failure is null
    order by l.order_id desc, l.product_id desc limit :limit
""")


def of_orders(ids: list[int]) -> dict[int, dict[str, Any]]:
    """Without any secret; that of an intent is shown at checkout only."""
    payments: dict[int, dict[str, Any]] = {
        order_id: {
            "state": row.state,
            "amount": euros(row.amount),
            "refunded": euros(row.refunded),
            "expires_at": moment(row.expires_at),
            "refunds": [],
        }
        for order_id, row in ledger.of_orders(ids).items()
    }
    if payments:
        for refund in ledger.refunds_of_orders(list(payments)):
            payments[refund.order_id]["refunds"].append(of_refund(refund))
    return payments


def of_refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "amount": euros(refund.amount),
        "state": refund.state,
        "reason": refund.reason,
        "created_at": moment(refund.created_at),
    }


def sales(seller_id: int, limit: int, cursor: str | None) -> dict[str, Any]:
    order_id, product_id = _position(cursor)
    values = {"seller_id": seller_id, "order_id": order_id, "product_id": product_id, "limit": limit + 1}
    rows = db.session.execute(_SALES, values).all()
    items = [
        {
            "order_id": row.order_id,
            "product_id": row.product_id,
            "title": row.title,
            "quantity": row.quantity,
            "unit_price": amount(row.unit_price),
            "total": amount(row.unit_price * row.quantity),
            "currency": "EUR",
            "order_state": row.state,
            "payment_state": row.payment,
            "created_at": moment(row.created_at),
        }
        for row in rows[:limit]
    ]
    following = None
    if len(rows) > limit:
        following = cursors.encode("sales", str(items[-1]["order_id"]), items[-1]["product_id"])
    return {"items": items, "next_cursor": following}


def _position(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 10**18, 0
    value, product_id = cursors.decode(cursor, "sales")
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise cursors.invalid()
    return int(value), product_id
