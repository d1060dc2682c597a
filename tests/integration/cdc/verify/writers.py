"""People who write while somebody verifies: small transactions over all tables, at a bounded rate."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

WRITERS = 3
PAUSE = 0.004

MONOLITH = (
    "update products set title = 'Title ' || {n}, version = version + 1 where id = {id}",
    "update products set is_hidden = not is_hidden, price = {n} / 100.0 where id = {id}",
    """with sold as (update products set stock = stock + 1 where id = {id} returning id)
       insert into stock_movements (product_id, delta, reason, request_key)
       select id, 1, 'return', gen_random_uuid() from sold""",
    "insert into products (seller_id, title, description, category, price, stock) values (1, 'New', '', 'c', 1.5, 0)",
    "delete from stock_reservation_lines where product_id = 1 + {id} % 3 and quantity = {n} % 7",
)
SERVICE = (
    "update product set title = 'Title ' || {n}, version = version + 1 where id = {id}",
    "update product set status = (array['active', 'hidden', 'withdrawn', 'archived'])[1 + {n} % 4]::product_status,"
    " price_cents = {n} where id = {id}",
    """with sold as (update inventory set available = available + 1 where product_id = {id} returning product_id)
       insert into movement (product_id, delta, kind, request_key)
       select product_id, 1, 'return', gen_random_uuid() from sold""",
    """with made as (insert into product (seller_id, title, description, category, price_cents)
                     values (1, 'New', '', 'c', 150) returning id)
       insert into inventory (product_id, available) select id, 0 from made""",
)


@contextmanager
def writing(dsn: str, statements: tuple[str, ...], ids: int) -> Iterator[list[int]]:
    """Writers on products 1 … ids; yields how many transactions each has committed. Their errors fail the test."""
    stop, counts, errors = threading.Event(), [0] * WRITERS, list[BaseException]()

    def write(number: int) -> None:
        chance = random.Random(number)
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                while not stop.wait(PAUSE):
                    statement = chance.choice(statements)
                    values = {"n": chance.randrange(100000), "id": chance.randint(1, ids)}
                    connection.execute(statement.format(**values).encode())
                    counts[number] += 1
        except BaseException as error:  # noqa: BLE001  Raised again below.
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
        if errors:
            raise errors[0]
