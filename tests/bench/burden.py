"""What the monolith's database pays: CPU of a transaction at half load, with capture and a fence at rest, and without.

All CPU of the source's server is counted, the walsender's too; the applier and the target would be on other machines.
The peers' own cost is measured in the same rounds, and what three further domains cost that the load does not touch:
each slot's walsender reads the whole log and wakes at every commit. Where the time goes, and what was tried to make
it less: docs/operating-streams.md, "What a stream costs its source". The whole monolith's row: tests/bench/monolith.py.
"""

from __future__ import annotations

import re
import statistics
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from cdc.projection import Table
from tests.bench import wide
from tests.bench.capturing import captured, received, subscribed
from tests.bench.cpu import Meter, Share
from tests.bench.figure import Figure, Scale
from tests.bench.servers import PROGRAMS, run, servers
from tests.bench.streams import SUBSCRIPTION, Ends
from tests.support.postgres import PostgresServer

CLIENTS = 4
PGBENCH = (PROGRAMS / "pgbench", "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}")
COLUMNS = {
    "pgbench_branches": ("bid", "bbalance", "filler"),
    "pgbench_tellers": ("tid", "bid", "tbalance", "filler"),
    "pgbench_accounts": ("aid", "bid", "abalance", "filler"),
}
PROJECTIONS = tuple(wide.same(Table("public", name), columns[0], columns) for name, columns in COLUMNS.items())
OTHERS = ("other_1", "other_2", "other_3")
"""Domains of one table each, which nobody writes."""

OURS, WITHOUT, NATIVE, NOWHERE, FOUR = "ours", "without", "CREATE SUBSCRIPTION", "pg_recvlogical", "ours, four domains"


def measure(scale: Scale) -> Sequence[Figure]:
    seconds = scale.of(12, 3)
    scale.say("load: pgbench's own transaction (TPC-B), three of its four tables captured")
    scale.say(f"peer: CREATE SUBSCRIPTION with {SUBSCRIPTION}")
    with servers(2, scale.say) as (here, there):
        ends = Ends(here.create_database("shop"), there.create_database("shop"), PROJECTIONS)
        for dsn in (ends.source, ends.target):
            subprocess.run([PROGRAMS / "pgbench", "-i", "-s", "10", "-q", dsn], check=True, stderr=subprocess.DEVNULL)
            run(dsn, *(f"create table {name} (id bigint primary key)" for name in OTHERS))
        others = [_other(ends, name) for name in OTHERS]
        most = _transactions(ends, scale.of(5, 2), None) / scale.of(5, 2)
        rate = int(most / 2)
        scale.say(f"half load: {rate:,} of {most:,.0f} transactions/s")
        ways: dict[str, Callable[[], AbstractContextManager[None]]] = {
            OURS: lambda: captured(ends), WITHOUT: nullcontext, NATIVE: lambda: subscribed(ends),
            NOWHERE: lambda: received(ends), FOUR: lambda: captured(ends, *others),
        }  # fmt: skip
        seen: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(scale.rounds):
            for way, enter in ways.items():
                with enter():
                    share = _share(here, ends, seconds, rate)
                scale.say(f"round {number + 1}: {way}: {share}")
                seen[way].append(share.total)
    each = {way: statistics.median(totals) for way, totals in seen.items()}
    scale.say("medians over without: " + ", ".join(f"{way} {each[way] / each[WITHOUT]:.2f}" for way in ways))
    return [
        _figure("with capture and fence", each[OURS], each[WITHOUT], 1 / 1.1),
        _figure("with capture and fence (against: CREATE SUBSCRIPTION)", each[OURS], each[NATIVE], 1),
    ]


def _figure(what: str, ours: float, against: float, at_least: float) -> Figure:
    return Figure(f"source's CPU a transaction, {what}", ours, against, against / ours, at_least, "µs")


def _other(ends: Ends, name: str) -> Ends:
    return Ends(ends.source, ends.target, (wide.same(Table("public", name), "id", ("id",)),), name)


def _transactions(ends: Ends, seconds: int, rate: int | None) -> int:
    """How many were run, as pgbench says."""
    given = [] if rate is None else [f"--rate={rate}"]
    said = subprocess.run(
        [*PGBENCH, *given, f"--time={seconds}", ends.source], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"transactions actually processed: (\d+)", said)
    assert found is not None
    return int(found[1])


def _share(server: PostgresServer, ends: Ends, seconds: int, rate: int) -> Share:
    run(ends.source, "checkpoint")
    assert server.process is not None
    with Meter(database=server.process.pid) as meter:
        count = _transactions(ends, seconds, rate)
    return Share(meter, count)
