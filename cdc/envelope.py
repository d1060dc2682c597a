"""Debezium's envelopes of one source, field for field. Pure: messages of pgoutput in, keys and values out.

One method an operation, each with what that operation has, so that no other envelope can be made. `cdc.envelope_types`
says how values are written, `cdc.envelope_differences` what differs from Debezium's connector.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from cdc import envelope_schemas
from cdc.binding import filled
from cdc.envelope_rows import NOT_SENT, RowWriter, TableFacts
from cdc.envelope_schemas import Schemas
from cdc.kafka_transport import topic_name
from cdc.pgoutput import UNCHANGED, Begin, Delete, Insert, LogicalMessage, OldRow, Relation, Row, Update

VERSION = "3.6.0.Final"
"""The Debezium whose envelopes these are."""
_EPOCH = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970."""
_TAIL = b',"xmin":null,"origin":null,"origin_lsn":null}'
_BEHIND = b'%b%b%b%b%b%b","total_order":%d,"data_collection_order":%d},"op":"%b","ts_ms":%b,"ts_us":%b,"ts_ns":%b}'
"""Behind the rows of an envelope."""
_ARGUMENTS = _BEHIND.count(b"%")
_ROWS = b'{"before":%b,"after":'
MESSAGES = "LOGICAL_DECODING_MESSAGE"

Header = tuple[str, bytes]


class Record(NamedTuple):
    """What goes to Kafka."""

    table: str
    """`schema.table`, or empty for what belongs to no table."""
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()


class _Table:
    """One announced relation."""

    __slots__ = ("after", "before", "name", "rows", "schemas", "shared", "write")

    def __init__(self, name: str, rows: RowWriter, before: bytes, after: bytes, schemas: Schemas | None) -> None:
        self.name = name
        self.rows = rows
        self.before = before
        """Of the source block, up to the time."""
        self.after = after
        self.schemas = schemas
        self.write = rows.within(_ROWS, _BEHIND, _ARGUMENTS)
        self.shared: _InTransaction | None = None
        """Once the transaction has a row of it."""


class _InTransaction:
    """What is the same in all envelopes of one table in one transaction, and how many there were."""

    __slots__ = ("count", "lsn", "order", "sequence")

    def __init__(self, sequence: bytes, lsn: bytes, order: bytes) -> None:
        self.sequence = sequence
        """From the source block's beginning to the row's LSN in its sequence."""
        self.lsn = lsn
        """From there to the row's LSN itself."""
        self.order = order
        """From there to the LSN in the transaction's id."""
        self.count = 0


class Envelopes:
    """Knows the relations that were announced, and the transaction that is being written."""

    def __init__(self, prefix: str, database: str, schemas: bool = False, split_key_changes: bool = True) -> None:
        self._prefix = prefix
        self._database = database
        self._schemas = schemas
        self._split = split_key_changes
        self._tables: dict[int, _Table] = {}
        self._shared: dict[str, _InTransaction] = {}
        self._order = 0
        self._xid = self._commit = self._at = 0
        self._previous: int | None = None
        self._nowhere = _Table("", RowWriter(_NO_RELATION, TableFacts((), ())), *self._source("", ""), None)

    def announce(self, relation: Relation, facts: TableFacts) -> None:
        """Before the first row of a table, and whenever its columns change."""
        name = f"{relation.schema}.{relation.name}"
        described = Schemas(topic_name(self._prefix, name), relation, facts) if self._schemas else None
        before, after = self._source(relation.schema, relation.name)
        self._tables[relation.oid] = _Table(name, RowWriter(relation, facts), before, after, described)

    def begin(self, message: Begin) -> Record:
        """A transaction begins."""
        self._xid, self._commit, self._at = message.xid, message.final_lsn, message.time + _EPOCH
        self._order = 0
        self._shared.clear()
        for table in self._tables.values():
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

    def create(self, lsn: int, message: Insert) -> Record:
        return self._whole(self._tables[message.relation], lsn, b"c", b"null", message.new)

    def read(self, lsn: int, message: Insert) -> Record:
        """A row of a snapshot."""
        return self._whole(self._tables[message.relation], lsn, b"r", b"null", message.new)

    def update(self, lsn: int, message: Update) -> Iterator[Record]:
        """One record; for another key, unless they are to stay together, deletion, tombstone and creation."""
        table, new, old = self._tables[message.relation], filled(message), message.old
        before = b"null" if message.old_is is OldRow.ABSENT else table.rows.old(message.old_is, old)
        if message.old_is is OldRow.ABSENT or table.rows.is_same_key(old, new) or not self._split:
            yield self._whole(table, lsn, b"u", before, new, old)
            return
        old_key, key = table.rows.key(old), table.rows.key(_named(new, old))
        moved: tuple[Header, ...] = (("__debezium.newkey", key or b""),)
        yield self._row(table, lsn, b"d", before, b"null", old_key, moved)
        yield Record(table.name, self._keyed(table, old_key), None, moved)
        came: tuple[Header, ...] = (("__debezium.oldkey", old_key or b""),)
        yield self._whole(table, lsn, b"c", b"null", new, old, came)

    def delete(self, lsn: int, message: Delete) -> Record:
        table = self._tables[message.relation]
        before = table.rows.old(message.old_is, message.old)
        return self._row(table, lsn, b"d", before, b"null", table.rows.key(message.old))

    def tombstone(self, deletion: Record) -> Record:
        """Lets a compacted topic forget what was deleted."""
        return Record(deletion.table, deletion.key, None)

    def truncate(self, lsn: int, relation: int) -> Record:
        return self._row(self._tables[relation], lsn, b"t", b"null", b"null", None)

    def message(self, message: LogicalMessage) -> Record:
        """One of pg_logical_emit_message."""
        prefix = orjson.dumps(message.prefix)
        content = b'{"prefix":%b,"content":"%b"}' % (prefix, b64encode(message.content))
        shared, lsn, place = self._of_transaction(self._nowhere, message.transactional), message.lsn, b"null"
        if message.transactional:
            self._order += 1
            shared.count += 1
            place = b'{"id":"%d:%d","total_order":%d,"data_collection_order":%d}' % (
                self._xid, lsn, self._order, shared.count,
            )  # fmt: skip
        now = b"%d" % time.time_ns()
        payload = b'{"op":"m","ts_ms":%b,"ts_us":%b,"ts_ns":%b%b%d%b%d%b,"message":%b,"transaction":%b}' % (
            now[:-6], now[:-3], now, shared.sequence, lsn, shared.lsn, lsn, _TAIL, content, place,
        )  # fmt: skip
        key = b'{"prefix":%b}' % prefix
        if self._schemas:
            payload = envelope_schemas.with_schema(envelope_schemas.message(), payload)
            key = envelope_schemas.with_schema(envelope_schemas.MESSAGE_KEY, key)
        return Record("", key, payload)

    def _whole(
        self, table: _Table, lsn: int, op: bytes, before: bytes, new: Row, old: Row | None = None,
        headers: tuple[Header, ...] = (),
    ) -> Record:  # fmt: skip
        """An envelope with a row behind the change: most of them. `old` has what of a key was not sent."""
        if old is not None and UNCHANGED in new:
            key = table.rows.key(_named(new, old) if old else new)
            return self._row(table, lsn, op, before, table.rows.row(new), key, headers)
        shared = table.shared or self._of_transaction(table)
        place, now = b"%d" % lsn, b"%d" % time.time_ns()
        try:
            key, payload = table.write(
                new, before, shared.sequence, place, shared.lsn, place, shared.order, place,
                self._order + 1, shared.count + 1, op, now[:-6], now[:-3], now,
            )  # fmt: skip
        except NOT_SENT:
            return self._row(table, lsn, op, before, table.rows.row(new), table.rows.key(new), headers)
        self._order += 1
        shared.count += 1
        if table.schemas is not None:
            payload, key = envelope_schemas.with_schema(table.schemas.envelope, payload), self._keyed(table, key)
        return Record(table.name, key, payload, headers)

    def _row(
        self, table: _Table, lsn: int, op: bytes, before: bytes, after: bytes, key: bytes | None,
        headers: tuple[Header, ...] = (),
    ) -> Record:  # fmt: skip
        shared = table.shared or self._of_transaction(table)
        self._order += 1
        shared.count += 1
        place, now = b"%d" % lsn, b"%d" % time.time_ns()
        payload = (_ROWS + b"%b" + _BEHIND) % (
            before, after, shared.sequence, place, shared.lsn, place, shared.order, place,
            self._order, shared.count, op, now[:-6], now[:-3], now,
        )  # fmt: skip
        if table.schemas is not None:
            payload = envelope_schemas.with_schema(table.schemas.envelope, payload)
        return Record(table.name, self._keyed(table, key), payload, headers)

    def _keyed(self, table: _Table, key: bytes | None) -> bytes | None:
        if key is None or table.schemas is None:
            return key
        return envelope_schemas.with_schema(table.schemas.key, key)

    def _of_transaction(self, table: _Table, counts: bool = True) -> _InTransaction:
        """What the table's envelopes in this transaction share."""
        name = table.name or MESSAGES
        shared = self._shared.get(name) if counts else None
        if shared is None:
            at, previous = self._at, b"null" if self._previous is None else b'\\"%d\\"' % self._previous
            shared = _InTransaction(
                b'%b%d%b"[%b,\\"' % (table.before, at // 1000, self._middle, previous),
                b'\\"]","ts_us":%d,"ts_ns":%d%b%d,"lsn":' % (at, at * 1000, table.after, self._xid),
                b'%b,"transaction":{"id":"%d:' % (_TAIL, self._xid),
            )
            if counts:
                self._shared[name] = shared
        table.shared = shared if counts else None
        return shared

    def _source(self, schema: str, table: str) -> tuple[bytes, bytes]:
        before = b',"source":{"version":"%b","connector":"postgresql","name":%b,"ts_ms":' % (
            VERSION.encode(), orjson.dumps(self._prefix),
        )  # fmt: skip
        self._middle = b',"snapshot":"false","db":%b,"sequence":' % orjson.dumps(self._database)
        return before, b',"schema":%b,"table":%b,"txId":' % (orjson.dumps(schema), orjson.dumps(table))

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
