"""Capture and decode: transactions read from a slot to nowhere, against `pg_recvlogical`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from tests.bench import wide
from tests.bench.figure import Figure, Scale, in_turn
from tests.bench.servers import PROGRAMS, drop_slot, run, servers
from tests.bench.streams import BASE_SLOT, Ends, set_up

OPTIONS = "--option=proto_version=1 --option=publication_names=bench --status-interval=10 --fsync-interval=0 --no-loop"
EACH = 100


def measure(scale: Scale) -> Sequence[Figure]:
    transactions = scale.of(3000, 300)
    rows = transactions * EACH
    scale.say(f"peer: pg_recvlogical {OPTIONS} --file=/dev/null")
    with servers(1, scale.say) as (here,):
        ends = Ends(here.create_database("capture"), "")
        run(ends.source, wide.TABLES)
        set_up(ends)
        body = f"insert into item select {wide.row('i')} from generate_series(1 + t * {EACH}, {EACH} + t * {EACH}) i"
        wide.write(ends.source, transactions, body)
        [(end,)] = run(ends.source, "select pg_current_wal_insert_lsn()::text")
        run(ends.source, "insert into mark values (3)")  # What ends the peer: a message past that point.
        one, other = in_turn(
            scale.rounds, lambda: rows / _timed(ends, _reader, end), lambda: rows / _timed(ends, _peer, end), scale.say
        )  # fmt: skip
        drop_slot(ends.source, BASE_SLOT)
    return [Figure("capture, decode, envelope, to nowhere", one, other, one / other, 1, "rows/s")]


def _reader(ends: Ends, slot: str, end: str) -> float:
    """Seconds as the reader itself counts them: from asking for the stream to its last message."""
    command = [sys.executable, "-m", "tests.bench.reader", ends.source, slot, end]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peer(ends: Ends, slot: str, end: str) -> float:
    began = time.perf_counter()
    where = ["--start", f"--slot={slot}", f"--dbname={ends.source}", f"--endpos={end}", "--file=/dev/null"]
    subprocess.run([PROGRAMS / "pg_recvlogical", *where, *OPTIONS.split()], check=True)
    return time.perf_counter() - began


def _timed(ends: Ends, read: Callable[[Ends, str, str], float], end: str) -> float:
    """Both read the same WAL."""
    run(ends.source, f"select pg_copy_logical_replication_slot('{BASE_SLOT}', 'once')")
    seconds = read(ends, "once", end)
    drop_slot(ends.source, "once")
    return seconds
