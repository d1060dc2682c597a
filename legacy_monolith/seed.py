"""`python -m legacy_monolith.seed`: a shop full of people, products and orders, the same for the same seed.

Everybody's password is `password`: for local stacks only. seller1@example.test … sell, buyer1@example.test … buy.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from legacy_monolith.errors import AlreadySeeded, SeedImpossible, SettingsMissing
from legacy_monolith.settings import from_environment
from legacy_monolith.users.passwords import hash_password

PASSWORD = "password"  # noqa: S105  the documented one of local stacks
CHUNK = 10_000

_SALES = """
    select l.product_id, l.quantity, o.key, o.created_at from order_lines l join orders o on o.id = l.order_id
    order by o.id, l.product_id
"""
_COPY_SALES = "copy stock_movements (product_id, delta, reason, request_key, created_at) from stdin"


@dataclass(frozen=True)
class Size:
    users: int
    products: int
    orders: int
    seed: int

    @property
    def sellers(self) -> int:
        """One user in five sells, and somebody always does."""
        return max(1, self.users // 5)


def seed(owner_url: str, size: Size) -> None:
    """Everything in one transaction: a seed that is interrupted leaves nothing."""
    if size.products and not size.users:
        raise SeedImpossible("products need at least one user, who sells them")
    if size.orders and not size.products:
        raise SeedImpossible("orders need at least one product")
    dsn = make_url(owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, cursor_factory=psycopg.ClientCursor) as connection:
        # Two at once take turns, and the second finds it done.
        connection.execute("lock table users in share row exclusive mode")
        _require_empty(connection)
        arguments = {**asdict(size), "sellers": size.sellers, "password_hash": hash_password(PASSWORD)}
        statements = files("legacy_monolith").joinpath("seed.sql").read_text()
        connection.execute(statements, arguments)
        _write_sales(connection)
        for table in ("users", "products", "orders"):
            _advance_sequence(connection, table)
    # The planner knows nothing of so many new rows otherwise.
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("analyze")


def _require_empty(connection: psycopg.Connection[Any]) -> None:
    counts = connection.execute(
        "select (select count(*) from users), (select count(*) from products), (select count(*) from orders)"
    ).fetchone()
    if counts and any(counts):
        raise AlreadySeeded(*counts)


def _write_sales(connection: psycopg.Connection[Any]) -> None:
    """The sales' movements, whose keys follow from their reservations as in the application."""
    with psycopg.ServerCursor(connection, "sales") as lines, connection.cursor() as writer:
        lines.execute(_SALES)
        while chunk := lines.fetchmany(CHUNK):
            with writer.copy(_COPY_SALES) as copy:
                for product_id, quantity, key, at in chunk:
                    copy.write_row((product_id, -quantity, "sale", uuid.uuid5(key, f"{product_id}:sale"), at))


def _advance_sequence(connection: psycopg.Connection[Any], table: str) -> None:
    statement = sql.SQL("select setval({}::regclass, max(id)) from {} having max(id) is not null")
    connection.execute(statement.format(sql.Literal(f"{table}_id_seq"), sql.Identifier(table)))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m legacy_monolith.seed", description=__doc__)
    parser.add_argument("--users", type=_count, default=100, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--products", type=_count, default=1000, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--orders", type=_count, default=500, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="(default: %(default)s)")
    size = Size(**vars(parser.parse_args(arguments)))
    try:
        seed(from_environment("MONOLITH_OWNER_URL"), size)
    except AlreadySeeded as done:
        print(f"{done}. {done.next_step}")
    except (SettingsMissing, SeedImpossible) as error:
        print(f"{error}\n{error.next_step}", file=sys.stderr)
        return 1
    else:
        print(f"seeded {size.users} users, {size.products} products, {size.orders} orders (seed {size.seed})")
    return 0


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 100_000_000:
        raise argparse.ArgumentTypeError("must be from 0 to 100000000")
    return number


if __name__ == "__main__":
    sys.exit(main())
