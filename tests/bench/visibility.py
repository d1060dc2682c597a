"""From commit to visible at 1,000 transactions a second, against CREATE SUBSCRIPTION."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg

from tests.bench import wide
from tests.bench.figure import Figure, Scale
from tests.bench.servers import PROGRAMS, drop_slot, run, servers
from tests.bench.streams import BASE_SLOT, SUBSCRIPTION, Ends, ours, set_up, subscription

PER_SECOND = 1000
CLIENTS = 4
POLL = 0.001
PATIENCE = 120.0
WARM_UP = 3
"""Seconds that are not counted: Java compiles what it runs often."""
PROJECTIONS = (wide.same(wide.ITEM, "id", ("id", "n", "sent")), wide.same(wide.MARK, "n", ("n",)))
TABLES = """
    create table item (id bigserial primary key, n int not null, sent timestamptz not null default clock_timestamp());
    create table mark (n int primary key);
"""


def measure(scale: Scale) -> Sequence[Figure]:
    """The time that a row carries is taken just before its commit, and on the target just after a look that shows it:
    both sides are looked at every millisecond, by the same eyes, and carry the same rows in turn."""
    seconds = scale.of(12, 3)
    scale.say(f"peer: CREATE SUBSCRIPTION with {SUBSCRIPTION}")
    with servers(2, scale.say) as (here, there):
        ends = Ends(here.create_database("lag"), there.create_database("lag"), PROJECTIONS)
        for dsn in (ends.source, ends.target):
            run(dsn, TABLES)
        written = script(here.folder)
        carried: list[tuple[tuple[float, float], tuple[float, float]]] = []
        for number in range(scale.rounds):
            carried.append((lags(ends, ours, written, seconds), lags(ends, subscription, written, seconds)))
            (a, b), (c, d) = carried[-1]
            scale.say(f"round {number + 1}: ours p50 {a:.2f}, p99 {b:.2f} ms; against p50 {c:.2f}, p99 {d:.2f} ms")
    one, other = zip(*carried, strict=True)
    (p50, p99), (native50, native99) = (
        tuple(statistics.median(column) for column in zip(*side, strict=True)) for side in (one, other)
    )
    return [
        Figure(
            f"commit to visible at {PER_SECOND}/s, p50 (against: native + 0.5 ms)",
            p50, native50 + 0.5, (native50 + 0.5) / p50, 1, "ms",
        ),
        Figure(f"commit to visible at {PER_SECOND}/s, p99", p99, native99, native99 / p99, 1 / 1.5, "ms"),
    ]  # fmt: skip


def script(folder: Path) -> Path:
    """What pgbench runs."""
    file = folder / "insert.sql"
    file.write_text("insert into item (n) values (1);\n")
    return file


def lags(
    ends: Ends, carry: Callable[[Ends], AbstractContextManager[object]], script: Path, seconds: int
) -> tuple[float, float]:
    """(p50, p99) in milliseconds; the first seconds are not counted."""
    return percentiles(measured(ends, carry, script, seconds, WARM_UP))


def percentiles(seen: Sequence[float]) -> tuple[float, float]:
    """(p50, p99) of seconds, in milliseconds."""
    counted = sorted(seen)
    return statistics.median(counted) * 1000, counted[int(len(counted) * 0.99)] * 1000


def measured(
    ends: Ends, carry: Callable[[Ends], AbstractContextManager[object]], script: Path, seconds: int, warm_up: int
) -> list[float]:
    """The lag of each row in seconds, in the order of their arrival, without those that were written in the first
    `warm_up` seconds."""
    for dsn in (ends.source, ends.target):
        run(dsn, "drop publication if exists bench", "truncate item restart identity", "checkpoint")
    run(ends.target, "truncate item, mark")
    slots = run(ends.source, f"select slot_name from pg_replication_slots where slot_name = '{BASE_SLOT}'")
    if slots:
        drop_slot(ends.source, BASE_SLOT)
    set_up(ends)
    os.sync()  # What came before is not written to disk while this one is measured.
    with carry(ends):
        options = [f"--client={CLIENTS}", f"--time={seconds + warm_up}", f"--rate={PER_SECOND}", f"--file={script}"]
        pgbench = subprocess.Popen(
            [PROGRAMS / "pgbench", "--no-vacuum", "--protocol=prepared", *options, ends.source],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        seen = _seen(ends, pgbench)
    counts_from = min(sent for sent, _ in seen) + warm_up
    return [lag for sent, lag in seen if sent >= counts_from]


def _seen(ends: Ends, load: subprocess.Popen[bytes]) -> list[tuple[float, float]]:
    """When each row was written, and its lag, in the order of their arrival, until the load has ended and all of it is
    there."""
    known: dict[int, tuple[float, float]] = {}
    newest, written, deadline = 0, None, float("inf")
    # Rows commit out of order: those a little behind the newest are looked for, too.
    query = "select id, extract(epoch from sent)::float8 from item where id > %s - 50"
    with psycopg.connect(ends.target, autocommit=True) as connection:
        while written is None or len(known) < written:
            rows = connection.execute(query, [newest], prepare=True).fetchall()
            now = time.time()
            for number, sent in rows:
                if number not in known:
                    known[number] = sent, now - sent
                    newest = max(newest, number)
            if written is None and load.poll() is not None:
                [(written,)] = run(ends.source, "select count(*) from item")
                deadline = time.monotonic() + PATIENCE
            assert time.monotonic() < deadline, f"only {len(known)} of {written} rows have arrived"
            time.sleep(POLL)
    return list(known.values())
