"""Records of a transactional topic to the messages that the slot sent, each once and in order. Pure.

Sessions of publishers follow each other in a topic, and each repeats what its slot had not been told to forget. The
key of a record is (commit LSN, ordinal in its transaction): what is not behind the last one was there before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cdc.capture.changes import Keepalive
from cdc.debezium.envelope_reader import EnvelopeReader, SnapshotRow
from cdc.kafka import topic_format
from cdc.kafka.errors import MalformedEnvelope, TopicLost, Where
from cdc.kafka.topic_format import Opening, Stem
from cdc.messages import Begin, Commit, LogicalMessage, Message
from cdc.position import Identity, lsn_text


class Place(NamedTuple):
    """Where in the topic to go on, and which record has to be there."""

    offset: int
    session: int
    number: int
    """Of the record before."""


class TopicRecord(NamedTuple):
    where: Where
    header: bytes | None
    value: bytes | None

    @property
    def offset(self) -> int:
        return self.where.offset


class TopicReader:
    """Everything behind `lsn`, which the target has."""

    def __init__(self, stream: str, identity: Identity, lsn: int, place: Place | None) -> None:
        self._stream = stream
        self._identity = identity
        self._envelopes = EnvelopeReader()
        self._end = lsn
        """Whatever ends here or before was delivered."""
        self._follows = place is not None
        """Whether the records are of a session that was checked, and none of them is missing."""
        self._session, self._number = (place.session, place.number) if place else (0, 0)
        self._open = 0
        """LSN of the commit of the transaction that is being delivered; 0 between transactions."""
        self._delivered = 0
        """Its records that were delivered."""
        self._reading = 0
        """LSN of the commit of the transaction whose records come, perhaps again; 0 between transactions."""
        self._ordinal = 0
        self.place = place
        """Behind the last record, between transactions."""
        self.announced: dict[int, bytes] = {}
        """The columns of tables that were announced."""

    def know(self, announcements: Iterable[bytes]) -> Sequence[Message]:
        """What was announced before the place."""
        return [self._announce(content) for content in announcements]

    def take(self, record: TopicRecord) -> Message | Keepalive | None:
        """The next record; None if it says nothing new."""
        if record.header is None:
            raise MalformedEnvelope(record.where, f"header {topic_format.HEADER}", "it is not there")
        try:
            stem, found = topic_format.stem(record.header), None
            if stem.kind == topic_format.OPENING:
                self._opening(record, stem)
            else:
                found = self._follow(record, stem)
        except (ValueError, TypeError) as error:
            raise MalformedEnvelope(record.where, f"header {topic_format.HEADER}", str(error)) from error
        if self._follows and not self._open and not self._reading:
            self.place = Place(record.where.offset + 1, self._session, self._number)
        return found

    def _opening(self, record: TopicRecord, stem: Stem) -> None:
        """Another publisher begins. It must be of our slot, and go on no later than where we are."""
        opening = Opening.load(self._content(record))
        if opening.identity != self._identity:
            if self._follows or self._session:
                raise self._lost(record, f"another server or slot publishes into it ({opening.identity.slot})")
            return
        reached = self._open or self._end
        if opening.lsn > reached:
            has = f"the target has only {lsn_text(reached)}"
            raise self._lost(record, f"its next publisher goes on from {lsn_text(opening.lsn)}, {has}")
        self._session, self._number, self._follows, self._reading = stem.session, stem.number, True, 0

    def _follow(self, record: TopicRecord, stem: Stem) -> Message | Keepalive | None:
        if not self._follows or stem.session != self._session:
            return None
        if stem.number != self._number + 1:
            # What is missing was not acknowledged to its publisher, which begins again; what is there twice is known.
            self._follows = stem.number <= self._number
            return None
        self._number = stem.number
        header = record.header or b""
        if stem.kind == topic_format.DATA:
            return self._data(record, header)
        if stem.kind == topic_format.BEGIN:
            return self._begin(*topic_format.read_begin(header))
        if stem.kind == topic_format.END:
            return self._commit(record, *topic_format.read_end(header))
        if stem.kind == topic_format.PROGRESS:
            return self._progress(topic_format.read_lsn(header))
        if stem.kind == topic_format.RELATION:
            return self._announce(self._content(record))
        raise ValueError("unknown kind")

    def _begin(self, lsn: int, time: int, xid: int) -> Message | None:
        self._reading, self._ordinal = lsn, 0
        if self._open or lsn < self._end:
            return None
        self._open, self._delivered = lsn, 0
        return Begin(lsn, time, xid)

    def _data(self, record: TopicRecord, header: bytes) -> Message | None:
        if not self._reading:
            raise ValueError("a change outside of a transaction")
        self._ordinal += 1
        if self._reading != self._open or self._ordinal <= self._delivered:
            return None
        self._delivered = self._ordinal
        found = self._envelopes.read(record.value, record.where, topic_format.read_unsent(header))
        if found is None or isinstance(found, SnapshotRow):
            raise ValueError("no change of a transaction")
        return found

    def _commit(self, record: TopicRecord, lsn: int, end_lsn: int, time: int) -> Message | None:
        if lsn != self._reading:
            raise ValueError("the end of another transaction")
        self._reading = 0
        if lsn != self._open:
            if self._open and lsn > self._open:
                raise self._lost(record, f"the transaction of {lsn_text(self._open)} does not end")
            return None
        if self._ordinal < self._delivered:
            raise self._lost(record, f"the transaction of {lsn_text(lsn)} has fewer records than before")
        self._open = 0
        self._end = end_lsn
        return Commit(lsn, end_lsn, time)

    def _progress(self, lsn: int) -> Keepalive | None:
        if self._open or self._reading:
            return None
        self._end = max(self._end, lsn)
        return Keepalive(lsn, False)

    def _announce(self, content: bytes) -> Message:
        relation, types = topic_format.load_relation(content)
        self._envelopes.announce(relation, types)
        self.announced[relation.oid] = content
        return relation

    def _content(self, record: TopicRecord) -> bytes:
        """Of a record of ours that belongs to no table."""
        message = self._envelopes.read(record.value, record.where)
        if not isinstance(message, LogicalMessage):
            raise ValueError("it should be a message")
        return message.content

    def _lost(self, record: TopicRecord, reason: str) -> TopicLost:
        return TopicLost(self._stream, record.where.topic, f"{reason} (offset {record.where.offset})")
