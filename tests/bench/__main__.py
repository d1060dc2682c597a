"""`make bench`: time limits as ratios, measured in one run on one machine; a missed one is reported, not asserted away.

Writes var/report/bench.json: [{name, ours, against, ratio, at_least, unit, machine}]; a larger ratio is better.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from migration_plan.errors import TablesBusy
from migration_plan.lifecycle import Side
from migration_plan.side import SideDatabase
from tests.integration.fence.conftest import DOMAIN, FencedSide, prepare
from tests.support.postgres import PostgresServer

REPORT = Path("var/report/bench.json")
INSERTS = 20_000
ROUNDS = 5
LONG_TRANSACTION = 10.0


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    ours: float
    against: float
    ratio: float
    at_least: float
    unit: str
    machine: str = f"{platform.machine()}, {os.cpu_count()} cores"


@contextmanager
def server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="fig-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    postgres = PostgresServer(folder / "pg")
    postgres.create()
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def owner_side(postgres: PostgresServer, name: str) -> FencedSide:
    return prepare(postgres, postgres.create_database(name), Side.MONOLITH, "owner")


def fence_at_rest(postgres: PostgresServer) -> Figure:
    """One-row inserts into a table of a domain that is owned, against a table that nobody fences."""
    side = owner_side(postgres, "at_rest")
    with side.connect("postgres", autocommit=True) as admin:
        admin.execute("create table plain (like book including all); grant all on plain to app")

    def rate(table: str) -> float:
        with side.connect() as app:
            began = time.perf_counter()
            for _ in range(INSERTS):
                app.execute(f"insert into {table} (title) values ('t')", prepare=True)
            app.commit()
            return INSERTS / (time.perf_counter() - began)

    pairs = [(rate("book"), rate("plain")) for _ in range(ROUNDS)]
    ours, against = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Figure("inserts past a fence at rest", ours, against, ours / against, 0.9, "rows/s")


def long_transaction(postgres: PostgresServer) -> Figure:
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
        until = time.monotonic() + LONG_TRANSACTION
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


BENCHES: tuple[Callable[[PostgresServer], Figure], ...] = (fence_at_rest, long_transaction)


def main() -> int:
    console, figures = Console(), []
    with server() as postgres, psycopg.connect(postgres.dsn()) as connection:
        console.print(
            f"PostgreSQL {connection.info.server_version // 10000}, fsync on, settings of tests/support/postgres.py"
        )
        for bench in BENCHES:
            console.print(f"  {bench.__name__.replace('_', ' ')} ...")
            figures.append(bench(postgres))
    table = Table("what", "ours", "against", "ratio", "at least", "unit", "")
    for figure in figures:
        verdict = "[green]met" if figure.ratio >= figure.at_least else "[red]missed"
        numbers = (f"{figure.ours:,.1f}", f"{figure.against:,.1f}", f"{figure.ratio:.2f}", f"{figure.at_least:g}")
        table.add_row(figure.name, *numbers, figure.unit, verdict)
    console.print(table)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([asdict(figure) for figure in figures], indent=1), encoding="utf-8")
    console.print(f"written: {REPORT}   next: make demo (hold times of whole switches under load)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
