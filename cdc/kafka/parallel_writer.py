"""Messages of pgoutput to records of Debezium's topics, one for each table, in the partition of their key. Pure, but
for asking what a table is like.

Behind each transaction with a message of ours, and now and then besides, every partition gets a barrier: what was
before it in the source is before it in the partition. So a reader of all partitions knows how far it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from kafka.partitioner import murmur2

from cdc import signature
from cdc.debezium.envelope import Envelopes, Record
from cdc.debezium.envelope_rows import TableFacts
from cdc.kafka import topic_format
from cdc.kafka.errors import ParallelUnsafe
from cdc.kafka.topic_format import Opening
from cdc.kafka.topic_writer import Outgoing, concerns
from cdc.messages import Begin, Commit, Delete, Insert, LogicalMessage, Message, Origin, Relation, Truncate, Update
from cdc.position import Identity, commit_time

Partition = tuple[str, int]


class ParallelWriter:
    """One session of a publisher."""

    def __init__(
        self, session: int, stream: str, domain: str, envelopes: Envelopes,
        describe: Callable[[Relation], TableFacts], topics: Mapping[str, tuple[str, int]],
    ) -> None:  # fmt: skip
        self._session = session
        self._stream = stream
        self._domain = domain
        self._envelopes = envelopes
        self._describe = describe
        self._topics = topics
        """Of each table: its topic, and how many partitions it has."""
        self._numbers: dict[Partition, int] = {
            (topic, partition): 0 for topic, count in topics.values() for partition in range(count)
        }
        self._begin = Begin(0, 0, 0)
        self._ordinal = 0
        self._is_open = self._is_ours = False
        self._relations: dict[int, Relation] = {}
        self._said: list[str] = []
        self.reached = 0

    @property
    def is_open(self) -> bool:
        return self._is_open

    def open(self, identity: Identity, lsn: int) -> Iterable[Outgoing]:
        """The first record of every partition."""
        self.reached = lsn
        return list(self._everywhere(topic_format.OPENING, "fig.opening", Opening(identity, lsn).dump(), b""))

    def progress(self, wal_end: int) -> Iterable[Outgoing]:
        """Between transactions: nothing for us was before this LSN."""
        self.reached = max(self.reached, wal_end)
        return self._barrier(None)

    def take(self, lsn: int, message: Message) -> Iterable[Outgoing]:
        if isinstance(message, Begin):
            self._begin, self._is_open, self._is_ours, self._ordinal = message, True, False, 0
            self._said.clear()
            self._envelopes.begin(message)
        elif isinstance(message, Origin):
            self._is_ours = message.name.startswith(signature.OURS)
        elif isinstance(message, Relation):
            if self._relations.get(message.oid) != message:
                self._relations[message.oid] = message
                self._envelopes.announce(message, self._describe(message))
        elif isinstance(message, Commit):
            return self._commit(message)
        elif isinstance(message, LogicalMessage):
            self._is_ours |= self._is_open and signature.is_ours(message.prefix, message.content)
            if self._is_open and not self._is_ours and concerns(message, self._domain):
                self._said.append(message.content.decode())
        elif not self._is_ours:
            return self._change(lsn, message)
        return ()

    def _change(self, lsn: int, message: Message) -> Iterator[Outgoing]:
        if isinstance(message, Insert):
            yield self._keyed(self._envelopes.create(lsn, message))
        elif isinstance(message, Update):
            for record in self._envelopes.update(lsn, message):
                yield self._keyed(record)
        elif isinstance(message, Delete):
            deletion = self._envelopes.delete(lsn, message)
            yield self._keyed(deletion)
            yield self._keyed(self._envelopes.tombstone(deletion))
        elif isinstance(message, Truncate):
            raise ParallelUnsafe(self._stream, ["a table was truncated, which has no order between partitions"])

    def _commit(self, message: Commit) -> Iterable[Outgoing]:
        self._is_open, self.reached = False, message.end_lsn
        self._envelopes.end(message.end_lsn)
        return self._barrier(message) if self._said else ()

    def _barrier(self, ended: Commit | None) -> Iterable[Outgoing]:
        time = commit_time(ended.time).isoformat() if ended else None
        content = json.dumps({"lsn": self.reached, "time": time, "said": self._said}).encode()
        self._said = []
        records = list(
            self._everywhere(topic_format.PROGRESS, "fig.progress", content, topic_format.lsn_rest(self.reached))
        )  # fmt: skip
        records[-1] = records[-1]._replace(reaches=self.reached)
        return records

    def _everywhere(self, kind: str, prefix: str, content: bytes, rest: bytes) -> Iterator[Outgoing]:
        record = self._envelopes.message(LogicalMessage(False, self.reached, prefix, content))
        for place in self._numbers:
            yield self._numbered(kind, record, place, rest)

    def _keyed(self, record: Record) -> Outgoing:
        if record.key is None:
            raise ParallelUnsafe(self._stream, [f"{record.table} has no key"])
        topic, count = self._topics[record.table]
        self._ordinal += 1
        rest = topic_format.order_rest(self._begin.final_lsn, self._ordinal)
        place = topic, (murmur2(record.key) & 0x7FFFFFFF) % count
        return self._numbered(topic_format.DATA, record, place, rest)

    def _numbered(self, kind: str, record: Record, place: Partition, rest: bytes) -> Outgoing:
        number = self._numbers[place] = self._numbers[place] + 1
        header = topic_format.header(kind, self._session, number, rest)
        return Outgoing(record.key, record.value, header, 0, *place, record.headers)
