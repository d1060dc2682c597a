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
from dataclasses import dataclass, replace

import psycopg

from cdc import install, position, servers
from cdc.capture.source import SourceConnection
from cdc.kafka.topic_publisher import TopicPublisher
from cdc.kafka.transport import KafkaTransport
from cdc.position import Position, parse_lsn
from cdc.projection import Projection
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
    name: str = "bench"
    """Of the domain, and of all that belongs to its stream."""

    def spec(self) -> StreamSpec:
        return StreamSpec(
            name=self.name, domain=self.name, source_dsn=self.source, target_dsn=self.target, slot=f"fig_{self.name}",
            publication=self.name, origin=f"fig_{self.name}", projections=self.projections,
        )  # fmt: skip


def set_up(ends: Ends) -> None:
    """Publication and a slot at this point; every replay begins here."""
    publish(ends)
    run(ends.source, f"select pg_create_logical_replication_slot('{BASE_SLOT}', 'pgoutput')")


def publish(ends: Ends) -> None:
    """The publication of the stream's tables."""
    tables = ", ".join(table.quoted for table in ends.spec().source_tables)
    run(ends.source, f"create publication {ends.name} for table {tables}")


@contextmanager
def ours(ends: Ends, kafka: KafkaTransport | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Our stream from the base slot's point, in a process of its own; through Kafka a publisher's beside it."""
    spec = replace(ends.spec(), kafka=kafka)
    run(ends.source, f"select pg_copy_logical_replication_slot('{BASE_SLOT}', '{spec.slot}')")
    install.install(spec)
    _place(spec)
    applier = _started("applier", spec)
    processes = [applier] if kafka is None else [applier, _started("publisher", spec)]
    try:
        yield applier
        assert all(process.poll() is None for process in processes), "the stream has ended"
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        drop_slot(ends.source, spec.slot)


def _place(spec: StreamSpec) -> None:
    """The position where the slot is, without a snapshot."""
    connection = SourceConnection(spec.source_dsn, "bench")
    identity = connection.identify(spec.slot)
    connection.close()
    confirmed = f"select confirmed_flush_lsn::text from pg_replication_slots where slot_name = '{spec.slot}'"
    [(lsn,)] = run(spec.source_dsn, confirmed)
    with (
        servers.connect(spec.source_dsn, "source", "bench") as here,
        servers.connect(spec.target_dsn, "target", "bench") as there,
        there.transaction(),
    ):
        install.forget(there, spec)
        position.write_first(there, Position(spec.name, identity, parse_lsn(lsn)))
        columns = {table: install.source_columns(here, table) for table in spec.source_tables}
        install.remember_columns(there, spec.name, columns)


def _started(role: str, spec: StreamSpec) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", __name__, role, pickle.dumps(spec).hex()])


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
    return seconds_between(target, "select 1 from mark where n = 1", "select 1 from mark where n = 2", within)


def seconds_between(target: str, first: str, last: str, within: float = 300) -> float:
    """From the moment when `first` finds a row on the target to that when `last` does."""
    with psycopg.connect(target, autocommit=True) as connection:

        def finds(query: str) -> bool:
            return connection.execute(query.encode(), prepare=True).fetchone() is not None

        wait_until(lambda: finds(first), within, "the first row arrives", every=0.001)
        began = time.perf_counter()
        wait_until(lambda: finds(last), within, "the last row arrives", every=0.001)
        return time.perf_counter() - began


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    spec = pickle.loads(bytes.fromhex(sys.argv[2]))
    (TopicPublisher(spec) if sys.argv[1] == "publisher" else Stream(spec)).run(stop)


if __name__ == "__main__":
    main()
