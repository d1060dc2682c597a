"""Debezium's envelopes of one source, field for field. Pure: messages of pgoutput in, keys and values out.

One method an operation, each with what that operation has, so that no other envelope can be made. `envelope_types`
says how values are written, `envelope_differences` what differs from Debezium's connector.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from cdc.debezium import envelope_schemas
from cdc.debezium.envelope_rows import NOT_SENT, RowWriter, TableFacts
from cdc.debezium.envelope_schemas import Schemas
from cdc.debezium.envelope_shared import (
    BEHIND,
    MOST_BY_ONE_CLOCK,
    ROWS,
    TAIL,
    AnnouncedTable,
    InTransaction,
    SourceBlock,
    clock,
)
from cdc.kafka.transport import topic_name
from cdc.messages import UNCHANGED, Begin, Delete, Insert, LogicalMessage, OldRow, Relation, Row, Update
from cdc.target.binding import filled

VERSION = "3.6.0.Final"
"""The Debezium whose envelopes these are."""
_EPOCH = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970."""
MESSAGES = "LOGICAL_DECODING_MESSAGE"

Header = tuple[str, bytes]


class Record(NamedTuple):
    """What goes to Kafka."""

    table: str
    """`schema.table`, or empty for what belongs to no table."""
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()


class Envelopes:
    """Knows the relations that were announced, and the transaction that is being written."""

    def __init__(self, prefix: str, database: str, schemas: bool = False, split_key_changes: bool = True) -> None:
        self._prefix = prefix
        self._schemas = schemas
        self._split = split_key_changes
        self._tables: dict[int, AnnouncedTable] = {}
        self._shared: dict[str, InTransaction] = {}
        self._order = 0
        self._xid = self._commit = self._at = 0
        self._previous: int | None = None
        self._clock = clock()
        self._source = SourceBlock(prefix, database, VERSION)
        self._nowhere = AnnouncedTable("", RowWriter(_NO_RELATION, TableFacts((), ())), self._source.of("", ""), None)

    def announce(self, relation: Relation, facts: TableFacts) -> None:
        """Before the first row of a table, and whenever its columns change."""
        name = f"{relation.schema}.{relation.name}"
        described = Schemas(topic_name(self._prefix, name), relation, facts) if self._schemas else None
        block = self._source.of(relation.schema, relation.name)
        self._tables[relation.oid] = AnnouncedTable(name, RowWriter(relation, facts), block, described)

    def begin(self, message: Begin) -> Record:
        """A transaction begins."""
        self._xid, self._commit, self._at = message.xid, message.final_lsn, message.time + _EPOCH
        self._order, self._clock = 0, clock()
        self._shared.clear()
        for table in (*self._tables.values(), self._nowhere):
            table.shared = None
        return self._boundary(b"BEGIN", self._commit, b"null", b"null")

    def end(self, end_lsn: int) -> Record:
        """It is complete."""
        counts = b",".join(
            b'{"data_collection":%b,"event_count":%d}' % (orjson.dumps(name), shared.count)
            for name, shared in self._shared.items()
        )
        self._previous = end_lsn
        return self._boundary(b"END", end_lsn, b"%d" % self._order, b"[%b]" % counts)

    def created(self, lsn: int, message: Insert) -> tuple[bytes | None, bytes]:
        """Key and value of a new row's record: most of what there is."""
        return self._whole(self._tables[message.relation], lsn, b"c", b"null", message.new)

    def create(self, lsn: int, message: Insert) -> Record:
        return Record(self._tables[message.relation].name, *self.created(lsn, message))

    def read(self, lsn: int, message: Insert) -> Record:
        """A row of a snapshot."""
        table = self._tables[message.relation]
        return Record(table.name, *self._whole(table, lsn, b"r", b"null", message.new))

    def update(self, lsn: int, message: Update) -> Iterator[Record]:
        """One record; for another key, unless they are to stay together, deletion, tombstone and creation."""
        table, new, old = self._tables[message.relation], filled(message), message.old
        before = b"null" if message.old_is is OldRow.ABSENT else table.rows.old(message.old_is, old)
        if message.old_is is OldRow.ABSENT or table.rows.is_same_key(old, new) or not self._split:
            yield Record(table.name, *self._whole(table, lsn, b"u", before, new, old))
            return
        old_key, key = table.rows.key(old), table.rows.key(_named(new, old))
        moved: tuple[Header, ...] = (("__debezium.newkey", key or b""),)
        yield Record(table.name, *self._row(table, lsn, b"d", before, b"null", old_key), moved)
        yield Record(table.name, self._keyed(table, old_key), None, moved)
        came: tuple[Header, ...] = (("__debezium.oldkey", old_key or b""),)
        yield Record(table.name, *self._whole(table, lsn, b"c", b"null", new, old), came)

    def delete(self, lsn: int, message: Delete) -> Record:
        table = self._tables[message.relation]
        before = table.rows.old(message.old_is, message.old)
        return Record(table.name, *self._row(table, lsn, b"d", before, b"null", table.rows.key(message.old)))

    def tombstone(self, deletion: Record) -> Record:
        """Lets a compacted topic forget what was deleted."""
        return Record(deletion.table, deletion.key, None)

    def truncate(self, lsn: int, relation: int) -> Record:
        table = self._tables[relation]
        return Record(table.name, *self._row(table, lsn, b"t", b"null", b"null", None))

    def message(self, message: LogicalMessage) -> Record:
        """One of pg_logical_emit_message."""
        prefix = orjson.dumps(message.prefix)
        content = b'{"prefix":%b,"content":"%b"}' % (prefix, b64encode(message.content))
        lsn, place = message.lsn, b"null"
        shared = self._source.shared(self._nowhere, self._at, self._xid, self._previous)
        if message.transactional:
            shared = self._of_transaction(self._nowhere)
            self._order += 1
            shared.count += 1
            place = b'{"id":"%d:%d","total_order":%d,"data_collection_order":%d}' % (
                self._xid, lsn, self._order, shared.count,
            )  # fmt: skip
        self._clock = clock()
        payload = b'{"op":"m",%b%b%d%b%d%b,"message":%b,"transaction":%b}' % (
            self._clock, shared.sequence, lsn, shared.lsn, lsn, TAIL, content, place,
        )  # fmt: skip
        key = b'{"prefix":%b}' % prefix
        if self._schemas:
            payload = envelope_schemas.with_schema(envelope_schemas.message(), payload)
            key = envelope_schemas.with_schema(envelope_schemas.MESSAGE_KEY, key)
        return Record("", key, payload)

    def _whole(
        self, table: AnnouncedTable, lsn: int, op: bytes, before: bytes, new: Row, old: Row | None = None
    ) -> tuple[bytes | None, bytes]:
        """Key and value of a record with a row behind the change. `old` has what of a key was not sent."""
        if old is not None and UNCHANGED in new:
            key = table.rows.key(_named(new, old) if old else new)
            return self._row(table, lsn, op, before, table.rows.row(new), key)
        shared, order, place = table.shared or self._of_transaction(table), self._order, b"%d" % lsn
        if order & MOST_BY_ONE_CLOCK == MOST_BY_ONE_CLOCK:
            self._clock = clock()
        try:
            key, payload = table.write(
                new, before, shared.sequence, place, shared.lsn, place, shared.order, place,
                order + 1, shared.count + 1, op, self._clock,
            )  # fmt: skip
        except NOT_SENT:
            return self._row(table, lsn, op, before, table.rows.row(new), table.rows.key(new))
        self._order = order + 1
        shared.count += 1
        if table.schemas is not None:
            payload, key = envelope_schemas.with_schema(table.schemas.envelope, payload), self._keyed(table, key)
        return key, payload

    def _row(
        self, table: AnnouncedTable, lsn: int, op: bytes, before: bytes, after: bytes, key: bytes | None
    ) -> tuple[bytes | None, bytes]:
        """The same from parts that are written already."""
        shared, place = table.shared or self._of_transaction(table), b"%d" % lsn
        self._order += 1
        shared.count += 1
        self._clock = clock()
        payload = (ROWS + b"%b" + BEHIND) % (
            before, after, shared.sequence, place, shared.lsn, place, shared.order, place,
            self._order, shared.count, op, self._clock,
        )  # fmt: skip
        if table.schemas is not None:
            payload = envelope_schemas.with_schema(table.schemas.envelope, payload)
        return self._keyed(table, key), payload

    def _keyed(self, table: AnnouncedTable, key: bytes | None) -> bytes | None:
        if key is None or table.schemas is None:
            return key
        return envelope_schemas.with_schema(table.schemas.key, key)

    def _of_transaction(self, table: AnnouncedTable) -> InTransaction:
        """What the table's envelopes in this transaction share."""
        shared = self._shared.get(table.name or MESSAGES)
        if shared is None:
            shared = self._shared[table.name or MESSAGES] = self._source.shared(
                table, self._at, self._xid, self._previous
            )
        table.shared = shared
        return shared

    def _boundary(self, status: bytes, lsn: int, count: bytes, collections: bytes) -> Record:
        identity = b"%d:%d" % (self._xid, lsn)
        value = b'{"status":"%b","id":"%b","event_count":%b,"data_collections":%b,"ts_ms":%d}' % (
            status, identity, count, collections, self._at // 1000,
        )  # fmt: skip
        key = b'{"id":"%b"}' % identity
        if self._schemas:
            value = envelope_schemas.with_schema(envelope_schemas.BOUNDARY, value)
            key = envelope_schemas.with_schema(envelope_schemas.BOUNDARY_KEY, key)
        return Record("", key, value)


_NO_RELATION = Relation(0, "", "", "n", ())


def _named(new: Row, old: Row) -> Row:
    """The new row, with what the old one has where something was not sent (a large key)."""
    return [was if now is UNCHANGED else now for now, was in zip(new, old, strict=True)]
