"""Our stream and PostgreSQL's own subscription, both from copies of one slot, so that both replay the same WAL."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from cdc import install, position, source
from cdc.position import Position, parse_lsn
from cdc.projection import Projection
from cdc.source import SourceConnection
from cdc.spec import StreamSpec
from cdc.stream import Stream
from tests.bench import wide
from tests.bench.servers import drop_slot, run
from tests.support.waiting import wait_until

BASE_SLOT = "base"
SUBSCRIPTION = "synchronous_commit = off, streaming = off, binary = true"
"""Of the peer: a commit of the subscriber waits for nothing (its default), values travel as binary."""


@dataclass(frozen=True)
class Ends:
    """Where rows come from and go to."""

    source: str
    target: str
    projections: tuple[Projection, ...] = wide.PROJECTIONS

    def spec(self) -> StreamSpec:
        return StreamSpec(
            name="bench", domain="bench", source_dsn=self.source, target_dsn=self.target, slot="fig_bench",
            publication="bench", origin="fig_bench", projections=self.projections,
        )  # fmt: skip


def set_up(ends: Ends) -> None:
    """Publication and a slot at this point; every replay begins here."""
    tables = ", ".join(table.quoted for table in ends.spec().source_tables)
    run(ends.source, f"create publication bench for table {tables}")
    run(ends.source, f"select pg_create_logical_replication_slot('{BASE_SLOT}', 'pgoutput')")


@contextmanager
def ours(ends: Ends) -> Iterator[subprocess.Popen[bytes]]:
    """Our stream in a process of its own, from the base slot's point."""
    spec = ends.spec()
    run(ends.source, f"select pg_copy_logical_replication_slot('{BASE_SLOT}', '{spec.slot}')")
    install.install(spec)
    connection = SourceConnection(spec.source_dsn, "bench")
    identity = connection.identify(spec.slot)
    connection.close()
    confirmed = f"select confirmed_flush_lsn::text from pg_replication_slots where slot_name = '{spec.slot}'"
    [(lsn,)] = run(ends.source, confirmed)
    with (
        source.connect(spec.source_dsn, "source", "bench") as here,
        source.connect(spec.target_dsn, "target", "bench") as there,
        there.transaction(),
    ):
        install.forget(there, spec)
        position.write_first(there, Position(spec.name, identity, parse_lsn(lsn)))
        columns = {table: install.source_columns(here, table) for table in spec.source_tables}
        install.remember_columns(there, spec.name, columns)
    command = [sys.executable, "-m", __name__, pickle.dumps(spec).hex()]
    process = subprocess.Popen(command)
    try:
        yield process
        assert process.poll() is None, "the stream has ended"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        drop_slot(ends.source, spec.slot)


@contextmanager
def subscription(ends: Ends) -> Iterator[None]:
    """The peer."""
    run(ends.source, f"select pg_copy_logical_replication_slot('{BASE_SLOT}', 'peer')")
    run(
        ends.target,
        f"create subscription peer connection '{ends.source}' publication bench"
        f" with (create_slot = false, slot_name = peer, copy_data = false, {SUBSCRIPTION})",
    )
    try:
        yield
    finally:
        run(ends.target, "alter subscription peer disable", "alter subscription peer set (slot_name = none)")
        run(ends.target, "drop subscription peer")
        drop_slot(ends.source, "peer")


def seconds_between_marks(target: str, within: float = 300) -> float:
    """From mark 1 visible on the target to mark 2 visible there: starting up does not count."""
    with psycopg.connect(target, autocommit=True) as connection:

        def has(mark: int) -> bool:
            return connection.execute("select 1 from mark where n = %s", [mark], prepare=True).fetchone() is not None

        wait_until(lambda: has(1), within, "the first mark arrives", every=0.001)
        began = time.perf_counter()
        wait_until(lambda: has(2), within, "the last mark arrives", every=0.001)
        return time.perf_counter() - began


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Stream(pickle.loads(bytes.fromhex(sys.argv[1]))).run(stop)


if __name__ == "__main__":
    main()
