"""Orders as rows: reading them, and each step of their lives. Steps compare and set; none of them commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from legacy_monolith import cursors
from legacy_monolith.catalog.stock import Reservation
from legacy_monolith.database import db
from legacy_monolith.payments import statements
from legacy_monolith.web import amount, moment

# How long whoever works on an order is left alone before the background process takes it up.
GRACE = "interval '3 seconds'"

_OPEN = text(f"""
    insert into orders (user_id, key, state, total, retry_at)
    values (:user_id, :key, 'pending', 0, now() + {GRACE})
    on conflict (key) do nothing returning id
""")  # noqa: S608  a constant
# The cart's rows become the order's lines: a unit is in a cart or in an order, never in two of them.
_TAKE_CART = text("""
    with taken as (delete from cart_items where user_id = :user_id returning product_id, quantity)
    insert into order_lines (order_id, product_id, seller_id, title, quantity, unit_price)
    select :id, p.id, p.seller_id, p.title, taken.quantity, p.price
    from taken join products p on p.id = taken.product_id
    returning product_id
""")
_PLACE = text(f"""
    update orders set state = 'placed', updated_at = now(), retry_at = now() + {GRACE}, total = :total
    where id = :id and state = 'pending'
""")  # noqa: S608  a constant
_PLACE_LINE = text("""
    update order_lines set title = :title, unit_price = :unit_price
    where order_id = :id and product_id = :product_id
""")
_UNDO = text(f"""
    update orders set state = 'cancelling', failure = :failure, updated_at = now(), retry_at = now() + {GRACE}
    where id = :id and state = :state
""").bindparams(bindparam("failure", type_=JSONB(none_as_null=True)))  # noqa: S608  a constant
_UNDONE = text("""
    update orders set state = case when failure is null then 'cancelled' else 'failed' end,
                      updated_at = now(), retry_at = null
    where id = :id and state = 'cancelling' returning state
""")
_GIVE_CART_BACK = text("""
    insert into cart_items (user_id, product_id, quantity)
    select o.user_id, l.product_id, l.quantity from orders o join order_lines l on l.order_id = o.id
    where o.id = :id
    on conflict (user_id, product_id)
    do update set quantity = least(cart_items.quantity + excluded.quantity, 1000)
""")
_FINISHED = text("update orders set retry_at = null where id = :id and state = 'placed'")
_CLAIM = text(f"""
    update orders set retry_at = now() + {GRACE}
    where id = (select id from orders where retry_at <= now() order by retry_at limit 1
                for update skip locked)
    returning id
""")  # noqa: S608  a constant
_ORDER = "select id, user_id, key, state, total, failure, created_at, updated_at from orders"
_BY_ID = text(f"{_ORDER} where id = :id")
_BY_KEY = text(f"{_ORDER} where key = :key")
_PAGE = text(f"{_ORDER} where user_id = :user_id and id < :before order by id desc limit :limit")
_SOLD = text("""
    select product_id, seller_id, title, quantity, unit_price from order_lines where order_id = :id order by product_id
""")
_LINES = text("""
    select l.order_id, l.product_id, l.title, l.quantity, l.unit_price, p.title as current_title
    from order_lines l join products p on p.id = l.product_id
    where l.order_id = any(:ids) order by l.order_id, l.product_id
""")


@dataclass(frozen=True)
class SoldLine:
    """A line as its seller knows it."""

    product_id: int
    seller_id: int
    title: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True)
class Order:
    id: int
    user_id: int
    key: UUID
    state: str
    total: Any
    failure: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime


def by_id(order_id: int) -> Order | None:
    row = db.session.execute(_BY_ID, {"id": order_id}).first()
    return Order(*row) if row else None


def by_key(key: UUID) -> Order | None:
    row = db.session.execute(_BY_KEY, {"key": key}).first()
    return Order(*row) if row else None


def sold_lines(order_id: int) -> list[SoldLine]:
    return [SoldLine(*row) for row in db.session.execute(_SOLD, {"id": order_id})]


def quantities(order_id: int) -> dict[int, int]:
    rows = db.session.execute(_LINES, {"ids": [order_id]})
    return {row.product_id: row.quantity for row in rows}


def open_order(user_id: int, key: UUID) -> int | None:
    """A pending order without lines; None if the key has one already."""
    return db.session.execute(_OPEN, {"user_id": user_id, "key": key}).scalar()


def take_cart(order_id: int, user_id: int) -> int:
    """Move the cart into the order; how many lines that are."""
    return len(db.session.execute(_TAKE_CART, {"id": order_id, "user_id": user_id}).all())


def place(order_id: int, reservation: Reservation) -> bool:
    """At the titles and prices of the reservation, which are those of the catalog's owner."""
    total = reservation.total
    if not db.session.execute(_PLACE, {"id": order_id, "total": total}).rowcount:  # type: ignore[attr-defined]
        return False
    lines = [
        {
            "id": order_id,
            "product_id": line.product_id,
            "title": line.title,
            "unit_price": line.unit_price,
        }
        for line in reservation.lines
    ]
    db.session.execute(_PLACE_LINE, lines)
    return True


def begin_undo(order_id: int, state: str, failure: dict[str, Any] | None) -> bool:
    """From here there is only back: this is committed before any unit is released. False: it was decided before."""
    changed: Any = db.session.execute(_UNDO, {"id": order_id, "state": state, "failure": failure})
    return bool(changed.rowcount)


def undone(order_id: int) -> None:
    state = db.session.execute(_UNDONE, {"id": order_id}).scalar()
    if state == "failed":
        db.session.execute(_GIVE_CART_BACK, {"id": order_id})


def finished(order_id: int) -> None:
    db.session.execute(_FINISHED, {"id": order_id})


def claim() -> int | None:
    """The order that waits longest with nobody working on it; the caller's until its grace is over."""
    return db.session.execute(_CLAIM).scalar()


def page(user_id: int, limit: int, cursor: str | None) -> dict[str, Any]:
    before = cursors.decode(cursor, "orders")[1] if cursor is not None else 10**18
    rows = db.session.execute(_PAGE, {"user_id": user_id, "before": before, "limit": limit + 1}).all()
    items = [Order(*row) for row in rows[:limit]]
    following = cursors.encode("orders", "", items[-1].id) if len(rows) > limit else None
    return {"items": shown(items), "next_cursor": following}


def shown(orders: list[Order]) -> list[dict[str, Any]]:
    """Orders as their buyer reads them; all their lines in one query."""
    lines: dict[int, list[dict[str, Any]]] = {order.id: [] for order in orders}
    for row in db.session.execute(_LINES, {"ids": list(lines)}):
        lines[row.order_id].append(
            {
                "product_id": row.product_id,
                "title": row.title,
                "current_title": row.current_title,
                "quantity": row.quantity,
                "unit_price": amount(row.unit_price),
            }
        )
    payments = statements.of_orders(list(lines))
    return [_shown(order, lines[order.id], payments.get(order.id)) for order in orders]


def _shown(order: Order, lines: list[dict[str, Any]], payment: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": order.id,
        "key": str(order.key),
        "state": order.state,
        "total": amount(order.total),
        "currency": "EUR",
        "lines": lines,
        "payment": payment,
        "created_at": moment(order.created_at),
        "updated_at": moment(order.updated_at),
    }
