"""Debezium from one PostgreSQL to another, through Kafka Connect, tuned as its documentation advises: a peer to measure
against. Its connectors are warm and idle when the block begins.

The sink's documentation: batches (`batch.size`, `consumer.override.max.poll.records`), PostgreSQL's UNNEST inserts, the
reduction buffer (which UNNEST needs where a row may come twice in a batch). The source's: larger batches and queue,
short polls, no tombstones where nobody compacts. Kafka's: linger, batches and compression of the producer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psycopg

from tests.support import debezium
from tests.support.connect import Connect
from tests.support.kafka import KafkaCluster
from tests.support.waiting import wait_until

HEAP = 2048
"""MB of Kafka Connect. Give the broker 1024, and both `brief=False`: their compilers are wanted here."""


class Favour(StrEnum):
    """What the settings are for; Debezium cannot have both."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"


_SOURCE = {
    "snapshot.mode": "no_data",
    "provide.transaction.metadata": "false",
    "tombstones.on.delete": "false",
    "max.batch.size": "8192",
    "max.queue.size": "32768",
    "producer.override.acks": "all",
    "producer.override.compression.type": "lz4",
}
_SOURCE_FOR = {
    Favour.THROUGHPUT: {
        "poll.interval.ms": "50",
        "producer.override.linger.ms": "20",
        "producer.override.batch.size": "524288",
    },
    Favour.LATENCY: {"poll.interval.ms": "1", "producer.override.linger.ms": "0"},
}
_SINK = {
    "dialect.postgres.unnest.insert.enabled": "true",
    "use.reduction.buffer": "true",
    "batch.size": "5000",
    "consumer.override.max.poll.records": "5000",
}
_SINK_FOR = {
    Favour.THROUGHPUT: {"consumer.override.fetch.min.bytes": "262144", "consumer.override.fetch.max.wait.ms": "50"},
    Favour.LATENCY: {"consumer.override.fetch.min.bytes": "1"},
}


@dataclass(frozen=True)
class Peer:
    """Both connectors run."""

    settings: dict[str, dict[str, str]]
    """To print: what was set, by connector."""
    _connect: Connect

    def check(self) -> None:
        """AssertionError with its reason if one of the connectors has failed."""
        for name in self.settings:
            self._connect.runs(name)


@contextmanager
def carrying(
    folder: Path, cluster: KafkaCluster, source: str, target: str, publication: str, slot: str, tables: Sequence[str],
    favour: Favour, prefix: str = "peer",
) -> Iterator[Peer]:  # fmt: skip
    """Debezium brings what comes after the slot's position, of `tables` (schema.table), to tables of the same names.

    The slot exists, and stays; `source` and `target` are DSNs. Topics `prefix.schema.table` are made.
    """
    tuned = {"source": {**_SOURCE, **_SOURCE_FOR[favour]}, "sink": {**_SINK, **_SINK_FOR[favour]}}
    settings = {
        "source": {**debezium.source(source, prefix, publication, slot, tables, schemas=True), **tuned["source"]},
        "sink": {**debezium.sink(target, rf"{prefix}\..*"), **tuned["sink"]},
    }
    connect = Connect(folder, cluster, HEAP, brief=False, settings={"offset.flush.interval.ms": "60000"})
    try:
        connect.start()
        connect.create("sink", settings["sink"])
        connect.create("source", settings["source"])
        wait_until(lambda: _streams(source, slot), 60, f"Debezium streams; log: {connect.log}", every=0.05)
        yield Peer(tuned, connect)
    finally:
        connect.stop()


def _streams(dsn: str, slot: str) -> bool:
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute("select active from pg_replication_slots where slot_name = %s", [slot]).fetchone()
    return bool(found and found[0])
