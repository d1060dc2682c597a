"""One workload as two captures tell it: ours from its slot, Debezium's from its topics; records by table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from cdc import servers
from cdc.capture import source_types
from cdc.capture.changes import Keepalive
from cdc.capture.source import SourceConnection
from cdc.debezium.envelope import Envelopes, Record
from cdc.kafka.transport import topic_name
from cdc.messages import Begin, Commit, Delete, Insert, Message, Relation, Truncate, Update
from cdc.pgoutput import decode

BOUNDARIES = "transaction"
"""The topic of BEGIN and END, behind the prefix."""


class Told(NamedTuple):
    """One record, its JSON read."""

    key: Any
    value: Any
    headers: tuple[tuple[str, Any], ...]


def ours(dsn: str, slot: str, publication: str, prefix: str, schemas: bool, until: int) -> dict[str, list[Told]]:
    """What our envelopes say of everything in the slot before the LSN `until`."""
    told: dict[str, list[Told]] = {}
    database = dsn.rpartition("dbname=")[2]
    envelopes = Envelopes(prefix, database, schemas)
    with closing(SourceConnection(dsn, "test")) as connection, servers.connect(dsn, "source", "test") as catalogue:
        connection.start(slot, publication, connection.confirmed(slot) or 0)
        for lsn, message in _messages(connection, until):
            if isinstance(message, Relation):
                envelopes.announce(message, source_types.facts(catalogue, message))
            for record in _records(envelopes, lsn, message):
                name = topic_name(prefix, record.table or BOUNDARIES)
                headers = tuple((name, json.loads(value)) for name, value in record.headers)
                told.setdefault(name, []).append(Told(_json(record.key), _json(record.value), headers))
    return told


def _messages(connection: SourceConnection, until: int) -> Iterator[tuple[int, Message]]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        received = connection.receive()
        if received is None:
            continue
        if isinstance(received, Keepalive):
            if received.wal_end >= until:
                return
            continue
        yield received.lsn, decode(received.content)
    raise AssertionError("the slot has not told everything within 30 s")


def _records(envelopes: Envelopes, lsn: int, message: Message) -> Iterable[Record]:
    if isinstance(message, Begin):
        return [envelopes.begin(message)]
    if isinstance(message, Commit):
        return [envelopes.end(message.end_lsn)]
    if isinstance(message, Insert):
        return [envelopes.create(lsn, message)]
    if isinstance(message, Update):
        return envelopes.update(lsn, message)
    if isinstance(message, Delete):
        deletion = envelopes.delete(lsn, message)
        return [deletion, envelopes.tombstone(deletion)]
    if isinstance(message, Truncate):
        return [envelopes.truncate(lsn, relation) for relation in message.relations]
    return []


def theirs(bootstrap: str, prefix: str, is_last: Callable[[Told], bool]) -> dict[str, list[Told]]:
    """What is in the topics of a prefix, until there is the last record, and END of its transaction after it."""
    told: dict[str, list[Told]] = {}
    deadline = time.monotonic() + 120
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, consumer_timeout_ms=500
    )
    with closing(consumer):
        last: str | None = None
        assigned: set[str] = set()
        while time.monotonic() < deadline:
            _follow(consumer, prefix, assigned)
            for record in consumer:
                headers = tuple((name, _json(value)) for name, value in record.headers if "context" not in name)
                one = Told(_json(record.key), _json(record.value), headers)
                told.setdefault(record.topic, []).append(one)
                if last is None and one.value and is_last(one):
                    last = _payload(one.value)["transaction"]["id"].partition(":")[0]
            ends = [_payload(one.value) for one in told.get(topic_name(prefix, BOUNDARIES), [])]
            if any(end["status"] == "END" and end["id"].partition(":")[0] == last for end in ends):
                return told
    raise AssertionError(f"Debezium has not told everything within 120 s; topics: {sorted(told)}")


def _follow(consumer: Any, prefix: str, assigned: set[str]) -> None:
    """Topics that are new are read, too, from their beginning."""
    new = {topic for topic in consumer.topics() if topic.startswith(f"{prefix}.")} - assigned
    if new:
        assigned |= new
        positions = {one: consumer.position(one) for one in consumer.assignment()}
        consumer.assign([TopicPartition(topic, 0) for topic in sorted(assigned)])
        for partition in consumer.assignment():
            consumer.seek(partition, positions.get(partition, 0))


def _json(value: bytes | None) -> Any:
    return None if value is None else json.loads(value) if value[:1] in (b"{", b"[") else value.decode()


def _payload(value: Any) -> Any:
    return value.get("payload", value)
