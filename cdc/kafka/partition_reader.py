"""Records of one partition of a table's topic to changes of rows, each once. Pure.

Ours have a header (`cdc.kafka.topic_format`); Debezium's have none, and are told apart by source.sequence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from cdc.debezium.envelope_reader import Change, EnvelopeReader
from cdc.kafka import topic_format
from cdc.kafka.errors import MalformedEnvelope, TopicLost
from cdc.kafka.topic_format import Opening
from cdc.kafka.topic_reader import TopicRecord
from cdc.message_errors import UnsentValue
from cdc.messages import UNCHANGED, Insert, LogicalMessage
from cdc.position import Identity, lsn_text
from cdc.stream_errors import ConnectionLost

Order = tuple[int, int, int]
"""Of a record among those of its partition: (LSN of the commit, ordinal, 0), or what Debezium has for it."""


class Barrier(NamedTuple):
    """Everything that the source had committed before `lsn` is before it."""

    lsn: int
    time: str | None
    said: tuple[str, ...]


@dataclass
class PartitionPlace:
    """Where a partition is, as the target keeps it."""

    topic: str
    partition: int
    next: int
    session: int
    number: int
    last: Order
    lsn: int


class PartitionReader:
    """Everything behind a place. The place moves with each record that is taken."""

    def __init__(
        self, stream: str, identity: Identity, place: PartitionPlace, envelopes: EnvelopeReader, foreign: bool
    ) -> None:
        self._stream = stream
        self._identity = identity
        self._envelopes = envelopes
        self._foreign = foreign
        self._follows = place.session != 0
        self._reached = place.lsn
        self.place = place

    def take(self, record: TopicRecord) -> Change | Barrier | None:
        """None for what says nothing new. What was fetched for an earlier assignment may be behind or ahead."""
        if record.where.offset < self.place.next:
            return None
        if not self._foreign and record.where.offset > self.place.next >= 0:
            raise ConnectionLost("Kafka", f"offsets from {self.place.next} on were not fetched")
        found = self._foreign_record(record) if self._foreign else self._own(record)
        if self._foreign or self._follows or not self.place.session:
            self.place.next = record.where.offset + 1
        if isinstance(found, Insert) and UNCHANGED in found.new:
            table = f"{record.where.topic}, offset {record.where.offset}"
            raise UnsentValue(table, "of the row", "its key has changed, which makes it a new row")
        return found

    def _own(self, record: TopicRecord) -> Change | Barrier | None:
        if record.header is None:
            raise MalformedEnvelope(record.where, f"header {topic_format.HEADER}", "it is not there")
        try:
            stem = topic_format.stem(record.header)
            if stem.kind == topic_format.OPENING:
                self._open(record, stem.session, stem.number)
                return None
            if not self._follows or stem.session != self.place.session:
                return None
            if stem.number != self.place.number + 1:
                self._follows = stem.number <= self.place.number
                return None
            self.place.number = stem.number
            if stem.kind == topic_format.PROGRESS:
                return self._barrier(record)
            if stem.kind != topic_format.DATA:
                raise ValueError("unknown kind")
            order = (*topic_format.read_order(record.header), 0)
        except (ValueError, TypeError) as error:
            raise MalformedEnvelope(record.where, f"header {topic_format.HEADER}", str(error)) from error
        return self._in_order(record, order)

    def _foreign_record(self, record: TopicRecord) -> Change | None:
        if record.value is None:
            return None
        try:
            said = orjson.loads(record.value)
            said = said.get("payload", said)
            order = _foreign_order(said)
            is_snapshot = said["op"] == "r"
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise MalformedEnvelope(record.where, "source.sequence", "it is not there, or something else") from error
        # All rows of a snapshot have one place in the source's log; to put one a second time changes nothing.
        return self._envelopes.read(record.value, record.where) if is_snapshot else self._in_order(record, order)

    def _in_order(self, record: TopicRecord, order: Order) -> Change | None:
        if order <= self.place.last:
            return None
        self.place.last = order
        return self._envelopes.read(record.value, record.where)

    def _open(self, record: TopicRecord, session: int, number: int) -> None:
        opening = Opening.load(self._content(record))
        if opening.identity != self._identity:
            if self._follows or self.place.session:
                raise self._lost(record, f"another server or slot publishes into it ({opening.identity.slot})")
            return
        reached = max(self._reached, self.place.last[0])
        if opening.lsn > reached:
            has = f"the target has only {lsn_text(reached)}"
            raise self._lost(record, f"its next publisher goes on from {lsn_text(opening.lsn)}, {has}")
        self.place.session, self.place.number, self._follows = session, number, True

    def _barrier(self, record: TopicRecord) -> Barrier | None:
        said = json.loads(self._content(record))
        barrier = Barrier(int(said["lsn"]), said["time"], tuple(said["said"]))
        if barrier.lsn <= self._reached:
            return None
        self._reached = barrier.lsn
        return barrier

    def _content(self, record: TopicRecord) -> bytes:
        message = self._envelopes.read(record.value, record.where)
        if not isinstance(message, LogicalMessage):
            raise ValueError("it should be a message")
        return message.content

    def _lost(self, record: TopicRecord, reason: str) -> TopicLost:
        return TopicLost(self._stream, record.where.topic, f"{reason} (offset {record.where.offset})")


def _foreign_order(said: Mapping[str, Any]) -> Order:
    """Of a change by Debezium: the commit before, its own LSN, and its number in the transaction (else its offset's
    turn: the two halves of a changed key have one LSN)."""
    source = said["source"]
    before, lsn = json.loads(source["sequence"])
    transaction = said.get("transaction") or {}
    half = 1 if said["op"] == "c" else 0
    return int(before or 0), int(lsn), int(transaction.get("total_order") or half)
