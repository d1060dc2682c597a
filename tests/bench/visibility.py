"""From commit to visible at 1,000 transactions a second, against CREATE SUBSCRIPTION."""

from __future__ import annotations

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
        script = here.folder / "insert.sql"
        script.write_text("insert into item (n) values (1);\n")
        carried: list[tuple[tuple[float, float], tuple[float, float]]] = []
        for number in range(scale.rounds):
            carried.append((_lags(ends, ours, script, seconds), _lags(ends, subscription, script, seconds)))
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


def _lags(
    ends: Ends, carry: Callable[[Ends], AbstractContextManager[object]], script: Path, seconds: int
) -> tuple[float, float]:
    """(p50, p99) in milliseconds; the first second is not counted."""
    for dsn in (ends.source, ends.target):
        run(dsn, "drop publication if exists bench", "truncate item restart identity", "checkpoint")
    run(ends.target, "truncate item, mark")
    slots = run(ends.source, f"select slot_name from pg_replication_slots where slot_name = '{BASE_SLOT}'")
    if slots:
        drop_slot(ends.source, BASE_SLOT)
    set_up(ends)
    with carry(ends):
        pgbench = subprocess.Popen(
            [PROGRAMS / "pgbench", "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", f"--time={seconds + 1}",
             f"--rate={PER_SECOND}", f"--file={script}", ends.source],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        lags = _seen(ends.target, pgbench)
    counted = sorted(lags[PER_SECOND:])
    return statistics.median(counted) * 1000, counted[int(len(counted) * 0.99)] * 1000


def _seen(target: str, load: subprocess.Popen[bytes]) -> list[float]:
    """The lag of each row, until the load has ended and nothing more arrives."""
    lags: list[float] = []
    newest = 0
    # Rows commit out of order: those a little behind the newest are looked for, too.
    query = "select id, extract(epoch from sent)::float8 from item where id > %s - 50"
    known: set[int] = set()
    with psycopg.connect(target, autocommit=True) as connection:
        quiet_since = time.monotonic()
        while load.poll() is None or time.monotonic() - quiet_since < 1:
            rows = connection.execute(query, [newest], prepare=True).fetchall()
            now = time.time()
            for number, sent in rows:
                if number not in known:
                    known.add(number)
                    lags.append(now - sent)
                    quiet_since = time.monotonic()
                    newest = max(newest, number)
            time.sleep(POLL)
    return lags
