"""The fence, at rest and in the way of a long transaction."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence

from migration_plan.errors import TablesBusy
from migration_plan.lifecycle import Side
from migration_plan.sides.side import SideDatabase
from tests.bench.figure import Figure, Scale
from tests.bench.servers import servers
from tests.integration.fence.conftest import DOMAIN, FencedSide, prepare
from tests.support.postgres import PostgresServer

ROUNDS = 5


def measure(scale: Scale) -> Sequence[Figure]:
    with servers(1, scale.say) as (postgres,):
        inserts, seconds = scale.of(20_000, 2000), scale.of(10, 2)
        return [fence_at_rest(postgres, inserts), long_transaction(postgres, seconds)]


def owner_side(postgres: PostgresServer, name: str) -> FencedSide:
    return prepare(postgres, postgres.create_database(name), Side.MONOLITH, "owner")


def fence_at_rest(postgres: PostgresServer, inserts: int) -> Figure:
    """One-row inserts into a table of a domain that is owned, against a table that nobody fences."""
    side = owner_side(postgres, "at_rest")
    with side.connect("postgres", autocommit=True) as admin:
        admin.execute("create table plain (like book including all); grant all on plain to app")

    def rate(table: str) -> float:
        with side.connect() as app:
            began = time.perf_counter()
            for _ in range(inserts):
                app.execute(f"insert into {table} (title) values ('t')", prepare=True)
            app.commit()
            return inserts / (time.perf_counter() - began)

    pairs = [(rate("book"), rate("plain")) for _ in range(ROUNDS)]
    ours, against = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Figure("inserts past a fence at rest", ours, against, ours / against, 0.9, "rows/s")


def long_transaction(postgres: PostgresServer, seconds: float) -> Figure:
    """The longest wait of another writer while a 10-second transaction is in the fence's way, against 300 ms."""
    side = owner_side(postgres, "long_transaction")
    waits: list[float] = []
    done = threading.Event()

    def write() -> None:
        with side.connect(autocommit=True) as app:
            while not done.is_set():
                began = time.perf_counter()
                app.execute("insert into book (title) values ('w')")
                waits.append(time.perf_counter() - began)

    writer = threading.Thread(target=write)
    with side.connect() as slow:
        slow.execute("insert into book (title) values ('slow')")
        until = time.monotonic() + seconds
        writer.start()
        fence_again_and_again(side.side, until)
        slow.commit()
    done.set()
    writer.join()
    return Figure("longest wait beside a 10 s transaction", max(waits) * 1000, 300, 300 / (max(waits) * 1000), 1, "ms")


def fence_again_and_again(side: SideDatabase, until: float) -> None:
    """Worse than the switch, which waits for the transaction with nobody held: an attempt right after the other."""
    while time.monotonic() < until:
        try:
            side.fence(DOMAIN, 1, 0.1, [])
        except TablesBusy:
            continue
        raise AssertionError("the fence went past a transaction that was open")
