"""One of several appliers that share a stream's partitions: what it fetches goes in with the places it has come to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import psycopg
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from cdc import position, servers
from cdc.capture import source_types
from cdc.debezium.envelope_reader import EnvelopeReader
from cdc.kafka import parallel_checks, parallel_places, parallel_rows, topics
from cdc.kafka.errors import TopicLost
from cdc.kafka.parallel_rows import ParallelRows
from cdc.kafka.partition_reader import Barrier, PartitionPlace, PartitionReader
from cdc.kafka.topic_start import require_transport
from cdc.kafka.topic_unpacking import unpacked
from cdc.kafka.transport import KafkaTransport, leave
from cdc.projection import Table
from cdc.session import Checkpoint, Pace
from cdc.spec import StreamSpec
from cdc.stream_errors import ConnectionLost, NotSetUp
from cdc.target.apply import TargetSession
from cdc.target.binding import SetUpColumns
from cdc.target.group import Group

_log = logging.getLogger(__name__)

BATCH_RECORDS = 2000
POLL_MS = 100
SETTLE_SECONDS = 30.0


class Applier:
    """One member of the group, with a session and an origin of its own on the target."""

    def __init__(self, spec: StreamSpec, number: int, checkpoint: Checkpoint) -> None:
        self._spec, self._transport, self._checkpoint = spec, require_transport(spec), checkpoint
        own = replace(spec, origin=f"{spec.origin}_{number}")
        self._readers: dict[Any, PartitionReader] = {}
        self._lost: TopicLost | None = None
        with ExitStack() as opened:
            places = servers.connect(spec.target_dsn, "target", f"fig-places {spec.name}")
            self._places: psycopg.Connection[Any] = opened.enter_context(closing(places))
            parallel_checks.require(spec, self._places)
            self._position = position.read(self._places, spec.name)
            if self._position is None:
                raise NotSetUp(spec.name)
            found = _topics(spec, self._transport)
            parallel_places.prepare(
                self._places, spec.name, found, self._position.lsn, self._transport.debezium
            )  # fmt: skip
            self._target = opened.enter_context(closing(TargetSession(own)))
            known = parallel_rows.relations(self._target.set_up)
            self._rows = ParallelRows(spec, self._target.tables, self._target.fixed, known, Pace().longest_run)
            self._envelopes = _reader(spec, self._target.set_up)
            consumer = self._transport.consumer(
                group_id=f"fig-{spec.name}", session_timeout_ms=10_000, heartbeat_interval_ms=1000,
                max_poll_interval_ms=60_000, client_id=f"fig-apply-{spec.name}-{number}",
            )  # fmt: skip
            opened.callback(self._leave, consumer)
            self._consumer = unpacked(consumer)
            self._consumer.subscribe([topic.name for topic in found], listener=self)
            self._opened = opened.pop_all()

    def close(self) -> None:
        # The group last: who gets the partitions then finds the places as they stay.
        self._target.close()
        self._opened.close()

    def _leave(self, consumer: Any) -> None:
        try:
            leave(consumer)
        except KafkaError as error:
            _log.warning("stream %s: %s", self._spec.name, error)

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Between two batches: what was fetched and not applied is somebody else's."""
        for partition in revoked:
            self._readers.pop(partition, None)

    on_partitions_lost = on_partitions_revoked

    def on_partitions_assigned(self, assigned: Any) -> None:
        """Go on where the target is, not where a group believes to be. Runs in the client's own thread."""
        try:
            for partition in assigned:
                self._begin(partition)
        except TopicLost as error:
            self._lost = error

    def run(self, ended: threading.Event) -> None:
        try:
            while not ended.is_set():
                polled = self._consumer.poll(timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
                if self._lost is not None:
                    raise self._lost
                if polled:
                    self._apply(polled)
        except psycopg.OperationalError as error:
            raise ConnectionLost("target", str(error)) from error
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
            raise TopicLost(self._spec.name, self._transport.prefix, "it no longer has what comes next") from error
        except (KafkaError, OSError) as error:
            raise ConnectionLost("Kafka", str(error) or type(error).__name__) from error

    def _begin(self, partition: Any) -> None:
        place = parallel_places.read(self._places, self._spec.name, partition.topic, partition.partition)
        assert self._position is not None  # noqa: S101 - `__init__` has looked.
        self._readers[partition] = PartitionReader(
            self._spec.name, self._position.identity, place, self._envelopes, self._transport.debezium
        )  # fmt: skip
        # An offset that is not there (removed, or beyond the end) is refused by the first fetch.
        self._consumer.seek(partition, max(place.next, 0))

    def _apply(self, polled: dict[Any, list[Any]]) -> None:
        """One transaction: the rows, the places of their partitions, the barriers they have passed."""
        group = Group(lsn=self._target.sent_lsn)
        moved: list[tuple[int, PartitionPlace]] = []
        barriers: list[tuple[PartitionPlace, Barrier]] = []
        for partition, records in polled.items():
            reader = self._readers.get(partition)
            if reader is None:
                continue
            before = reader.place.next
            for record in records:
                found = reader.take(record)
                if isinstance(found, Barrier):
                    barriers.append((reader.place, found))
                elif found is not None:
                    for batch in self._rows.take(found):
                        self._target.write(batch, group)
            moved.append((before, reader.place))
        for batch in self._rows.close():
            self._target.write(batch, group)
        self._checkpoint("before commit")
        lsn = self._target.sent_lsn if self._target.signs_by_origin else None
        places = [parallel_places.advance(self._spec.name, before, place, lsn) for before, place in moved]
        if barriers:
            places.append(parallel_places.passed(self._spec.name, self._spec.domain, barriers))
        self._target.commit_places(group, places)
        self._checkpoint("commit sent")
        self._target.settle(SETTLE_SECONDS)
        if self._target.unanswered:
            raise ConnectionLost("target", f"no answer for {SETTLE_SECONDS:g} s")


ConsumerRebalanceListener.register(Applier)


def _topics(spec: StreamSpec, transport: KafkaTransport) -> list[topics.Topic]:
    """All of them; with as many partitions as they were made with, or keys would have moved."""
    found = []
    for name in transport.topics(spec.source_tables):
        topic = topics.look(transport, name, None if transport.debezium else transport.partitions)
        if topic is None:
            raise ConnectionLost("Kafka", f"topic {name} is not there; its publisher makes it")
        found.append(topic)
    return found


def _reader(spec: StreamSpec, set_up: Mapping[Table, SetUpColumns]) -> EnvelopeReader:
    """Types that are not PostgreSQL's own, and generated columns, are the source's catalogue's to tell."""
    known = parallel_rows.relations(set_up)
    with servers.connect(spec.source_dsn, "source", f"fig-types {spec.name}") as catalogue:
        types = {table: source_types.facts(catalogue, relation).types for table, relation in known.items()}
        generated = {table: source_types.generated(catalogue, table) for table in known}
    return parallel_rows.reader(known, types, generated)
