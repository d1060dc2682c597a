"""Purchases as rows: reading them, and each step of their lives. Steps compare and set; none of them commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from extracted.payments.stock import Product, Reservation
from extracted.payments.storage import Line, Purchase

# How long whoever works on a purchase is left alone before background work takes it up.
GRACE = "interval '3 seconds'"
LARGEST_QUANTITY = 1000

_OPEN = text(f"""
    insert into purchase (buyer_id, request_key, state, total_cents, due_at)
    values (:buyer_id, :key, 'opened', 0, now() + {GRACE})
    on conflict (request_key) do nothing returning id
""")  # noqa: S608  a constant
# The cart's rows become the purchase's lines: a unit is in a cart or in a purchase, never in two of them.
_TAKE_CART = text("delete from cart_item where user_id = :user_id returning product_id, quantity")
_ADD_LINE = text("""
    insert into purchase_line (purchase_id, product_id, seller_id, title, quantity, unit_price_cents)
    values (:purchase_id, :product_id, :seller_id, :title, :quantity, :unit_price)
""")
_PLACE = text(f"""
    update purchase set state = 'placed', updated_at = now(), due_at = now() + {GRACE}, total_cents = :total
    where id = :id and state = 'opened'
""")  # noqa: S608  a constant
_PLACE_LINE = text("""
    update purchase_line set title = :title, unit_price_cents = :unit_price
    where purchase_id = :id and product_id = :product_id
""")
_UNDO = text(f"""
    update purchase set state = 'undoing', failure = :failure, updated_at = now(), due_at = now() + {GRACE}
    where id = :id and state = cast(:state as purchase_state)
""").bindparams(bindparam("failure", type_=JSONB(none_as_null=True)))  # noqa: S608  a constant
_UNDONE = text("""
    update purchase set state = cast(case when failure is null then 'cancelled' else 'failed' end as purchase_state),
                        updated_at = now(), due_at = null
    where id = :id and state = 'undoing' returning state
""")
_GIVE_CART_BACK = text(f"""
    insert into cart_item (user_id, product_id, quantity)
    select p.buyer_id, l.product_id, l.quantity from purchase p join purchase_line l on l.purchase_id = p.id
    where p.id = :id
    on conflict (user_id, product_id)
    do update set quantity = least(cart_item.quantity + excluded.quantity, {LARGEST_QUANTITY})
""")  # noqa: S608  a constant
_FINISHED = text("update purchase set due_at = null where id = :id and state = 'placed'")
_CLAIM = text(f"""
    update purchase set due_at = now() + {GRACE}
    where id = (select id from purchase where due_at <= now() order by due_at limit 1 for update skip locked)
    returning id
""")  # noqa: S608  a constant
_PURCHASE = "select id, buyer_id, request_key, state, total_cents, failure, created_at, updated_at from purchase"
_BY_ID = text(f"{_PURCHASE} where id = :id")
_BY_KEY = text(f"{_PURCHASE} where request_key = :key")
_PAGE = text(f"{_PURCHASE} where buyer_id = :buyer_id and id < :before order by id desc limit :limit")
_LINES = text("""
    select purchase_id, product_id, seller_id, title, quantity, unit_price_cents
    from purchase_line where purchase_id = any(:ids) order by purchase_id, product_id
""")


def by_id(connection: Connection, purchase_id: int) -> Purchase | None:
    row = connection.execute(_BY_ID, {"id": purchase_id}).first()
    return Purchase(*row) if row else None


def by_key(connection: Connection, key: UUID) -> Purchase | None:
    row = connection.execute(_BY_KEY, {"key": key}).first()
    return Purchase(*row) if row else None


def page(connection: Connection, buyer_id: int, before: int, limit: int) -> list[Purchase]:
    """The newest ones older than `before`."""
    return [
        Purchase(*row) for row in connection.execute(_PAGE, {"buyer_id": buyer_id, "before": before, "limit": limit})
    ]


def lines(connection: Connection, ids: Iterable[int]) -> list[Line]:
    return [Line(*row) for row in connection.execute(_LINES, {"ids": list(ids)})]


def open_purchase(connection: Connection, buyer_id: int, key: UUID) -> int | None:
    """One without lines; None if the key has one already."""
    return connection.execute(_OPEN, {"buyer_id": buyer_id, "key": key}).scalar()


def take_cart(connection: Connection, user_id: int) -> dict[int, int]:
    """Empty the cart; how many units of which product there were."""
    return {row.product_id: row.quantity for row in connection.execute(_TAKE_CART, {"user_id": user_id})}


def add_lines(
    connection: Connection, purchase_id: int, quantities: Mapping[int, int], products: Mapping[int, Product]
) -> None:
    """At present titles and prices; those of the reservation will replace them."""
    rows = [
        {
            "purchase_id": purchase_id,
            "product_id": product_id,
            "seller_id": products[product_id].seller_id,
            "title": products[product_id].title,
            "quantity": quantities[product_id],
            "unit_price": products[product_id].price,
        }
        for product_id in sorted(quantities)
    ]
    connection.execute(_ADD_LINE, rows)


def place(connection: Connection, purchase_id: int, reservation: Reservation) -> bool:
    """At the titles and prices of the reservation, which are those of the catalog's owner."""
    if not connection.execute(_PLACE, {"id": purchase_id, "total": reservation.total}).rowcount:
        return False
    rows = [
        {"id": purchase_id, "product_id": line.product_id, "title": line.title, "unit_price": line.unit_price}
        for line in reservation.lines
    ]
    connection.execute(_PLACE_LINE, rows)
    return True


def begin_undo(connection: Connection, purchase_id: int, state: str, failure: dict[str, Any] | None) -> bool:
    """From here there is only back: this is committed before any unit is released. False: it was decided before."""
    changed = connection.execute(_UNDO, {"id": purchase_id, "state": state, "failure": failure})
    return bool(changed.rowcount)


def undone(connection: Connection, purchase_id: int) -> None:
    state = connection.execute(_UNDONE, {"id": purchase_id}).scalar()
    if state == "failed":
        connection.execute(_GIVE_CART_BACK, {"id": purchase_id})


def finished(connection: Connection, purchase_id: int) -> None:
    connection.execute(_FINISHED, {"id": purchase_id})


def claim(connection: Connection) -> int | None:
    """The purchase that waits longest with nobody working on it; the caller's until its grace is over."""
    return connection.execute(_CLAIM).scalar()
