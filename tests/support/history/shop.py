"""Both schemas of the sample's catalog, read into the shop's own terms.

Written by hand against both schemas, not through the lens: a wrong lens cannot hide behind itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.support.history.records import Movement, Order, Product, Reservation, Side
from tests.support.waiting import wait_until

MONOLITH = {
    "products": """
        select id, seller_id, title, description, category, price::text, stock,
               case when is_hidden and is_withdrawn then 'archived' when is_withdrawn then 'withdrawn'
                    when is_hidden then 'hidden' else 'active' end,
               version, coalesce(request_key::text, ''), created_at::timestamptz::text,
               updated_at::timestamptz::text
        from products""",
    "movements": "select id, product_id, delta, reason::text, request_key::text from stock_movements",
    "reservations": """
        select r.key::text, r.state::text, l.product_id, l.quantity, l.unit_price::text, l.title
        from stock_reservations r left join stock_reservation_lines l on l.reservation_key = r.key
        order by r.key, l.product_id""",
}
SERVICE = {
    "products": """
        select p.id, p.seller_id, p.title, p.description, p.category,
               (p.price_cents / 100)::text || '.' || lpad((p.price_cents % 100)::text, 2, '0'), i.available,
               p.status::text, p.version, coalesce(p.request_key::text, ''), p.created_at::timestamptz::text,
               p.updated_at::timestamptz::text
        from product p join inventory i on i.product_id = p.id""",
    "movements": "select id, product_id, delta, kind::text, request_key::text from movement",
    "reservations": """
        select r.key::text, r.state::text, l.product_id, l.quantity,
               (l.unit_price_cents / 100)::text || '.' || lpad((l.unit_price_cents % 100)::text, 2, '0'),
               l.title
        from reservation r left join reservation_line l on l.reservation_key = r.key
        order by r.key, l.product_id""",
}
ORDERS = """
    select o.id, o.key::text, o.state::text, l.product_id, l.quantity
    from orders o left join order_lines l on l.order_id = o.id order by o.id, l.product_id"""
HALFWAY = "select count(*) from orders where state in ('pending', 'cancelling') or retry_at is not null"


@dataclass(frozen=True)
class Shop:
    """Where both sides' databases are."""

    monolith: str
    service: str
    domain: str = "catalog"

    def side(self, name: str) -> Side:
        """One side in one snapshot."""
        queries = MONOLITH if name == "monolith" else SERVICE
        with _snapshot(self.monolith if name == "monolith" else self.service) as connection:
            state, epoch = self._ownership(connection)
            products = {row[0]: Product(*row) for row in connection.execute(queries["products"])}
            movements = {row[0]: Movement(*row) for row in connection.execute(queries["movements"])}
            reservations: dict[str, Reservation] = {}
            for key, held, *line in connection.execute(queries["reservations"]):
                lines = reservations[key].lines if key in reservations else ()
                more: tuple[Any, ...] = (tuple(line),) if line[0] is not None else ()
                reservations[key] = Reservation(key, held, (*lines, *more))
        return Side(name, state, epoch, products, movements, reservations)

    def orders(self) -> dict[int, Order]:
        orders: dict[int, Order] = {}
        with _snapshot(self.monolith) as connection:
            for number, key, state, product, quantity in connection.execute(ORDERS):
                lines = orders[number].lines if number in orders else ()
                more = ((product, quantity),) if product is not None else ()
                orders[number] = Order(number, key, state, (*lines, *more), reservation=key)
        return orders

    def sides(self) -> tuple[Side, Side]:
        return (self.side("monolith"), self.side("service"))

    def wait_until_at_rest(self, seconds: float) -> tuple[tuple[Side, ...], dict[int, Order]]:
        """Both sides and the orders once one owns, nothing is halfway and both agree; after `seconds`, as they are.

        Whether what is there is right is the checker's question, so an unfinished rest is no error here.
        """
        found: list[tuple[tuple[Side, ...], dict[int, Order]]] = []

        def rests() -> bool:
            # All four readings are of different moments: an order that the jobs finish in between is in the last one
            # and not in the ledgers. So nothing may be halfway before, and the orders the same before and after.
            was_halfway, before = self._halfway(), self.orders()
            one, other = self.sides()
            found[:] = [((one, other), self.orders())]
            return (
                sorted((one.state, other.state)) == ["owner", "standby"]
                and not was_halfway
                and found[0][1] == before
                and one.products == other.products
                and one.movements == other.movements
                and one.reservations == other.reservations
            )

        _wait_if_possible(rests, seconds)
        return found[0]

    def _halfway(self) -> int:
        with psycopg.connect(self.monolith, autocommit=True) as connection:
            row = connection.execute(HALFWAY).fetchone()
        return row[0] if row else 0

    def _ownership(self, connection: psycopg.Connection) -> tuple[str, int]:
        known = connection.execute("select to_regclass('fig.domain') is not null").fetchone()
        if not known or not known[0]:
            return "local", 0
        row = connection.execute("select state, epoch from fig.domain where domain = %s", [self.domain]).fetchone()
        return (row[0], row[1]) if row else ("local", 0)


def _snapshot(dsn: str) -> psycopg.Connection:
    connection = psycopg.connect(dsn, options="-c timezone=UTC")
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return connection


def _wait_if_possible(condition: Callable[[], bool], seconds: float) -> None:
    try:
        wait_until(condition, seconds, "both sides at rest", every=0.1)
    except AssertionError:
        return
