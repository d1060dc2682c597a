"""What the envelopes of one table, of one transaction, of one moment have in common, written once. Pure, but for the
clock."""

from __future__ import annotations

import time

import orjson

from cdc.debezium.envelope_rows import RowWriter
from cdc.debezium.envelope_schemas import Schemas

ROWS = b'{"before":%b,"after":'
BEHIND = b'%b%b%b%b%b%b","total_order":%d,"data_collection_order":%d},"op":"%b",%b}'
"""Behind the rows of an envelope."""
TAIL = b',"xmin":null,"origin":null,"origin_lsn":null}'
MOST_BY_ONE_CLOCK = 63
"""Rows behind the first one of a transaction that have its time: they arrive together. One less than a power of two."""


class InTransaction:
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


class AnnouncedTable:
    """One announced relation."""

    __slots__ = ("block", "name", "rows", "schemas", "shared", "write")

    def __init__(self, name: str, rows: RowWriter, block: tuple[bytes, bytes], schemas: Schemas | None) -> None:
        self.name = name
        self.rows = rows
        self.block = block
        """Of the source block, what is before the time and behind it."""
        self.schemas = schemas
        self.write = rows.within(ROWS, BEHIND, BEHIND.count(b"%"))
        self.shared: InTransaction | None = None
        """Once the transaction has a row of it."""


class SourceBlock:
    """`source` in the envelopes of one database."""

    def __init__(self, prefix: str, database: str, version: str) -> None:
        self._before = b',"source":{"version":"%b","connector":"postgresql","name":%b,"ts_ms":' % (
            version.encode(), orjson.dumps(prefix),
        )  # fmt: skip
        self._middle = b',"snapshot":"false","db":%b,"sequence":' % orjson.dumps(database)

    def of(self, schema: str, table: str) -> tuple[bytes, bytes]:
        return self._before, b',"schema":%b,"table":%b,"txId":' % (orjson.dumps(schema), orjson.dumps(table))

    def shared(self, table: AnnouncedTable, at: int, xid: int, previous: int | None) -> InTransaction:
        """Of a transaction that committed `at` this time (microseconds since 1970), behind the one that ended at
        `previous`."""
        (before, after), said = table.block, b"null" if previous is None else b'\\"%d\\"' % previous
        return InTransaction(
            b'%b%d%b"[%b,\\"' % (before, at // 1000, self._middle, said),
            b'\\"]","ts_us":%d,"ts_ns":%d%b%d,"lsn":' % (at, at * 1000, after, xid),
            b'%b,"transaction":{"id":"%d:' % (TAIL, xid),
        )


def clock() -> bytes:
    """When the capture saw a row."""
    now = b"%d" % time.time_ns()
    return b'"ts_ms":%b,"ts_us":%b,"ts_ns":%b' % (now[:-6], now[:-3], now)
