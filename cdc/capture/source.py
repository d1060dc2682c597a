"""The replication connection to a source: who it is, its slot, and the stream of messages in COPY_BOTH."""

from __future__ import annotations

import select
import struct
import time
from typing import NamedTuple

from psycopg import pq

from cdc.capture.changes import Keepalive
from cdc.capture.losses import Standing, forks
from cdc.pooled import PooledConnection, speaks_of_parameters
from cdc.position import Identity, lsn_text, parse_lsn, protocol_now
from cdc.servers import conninfo, passes
from cdc.stream_errors import ConnectionLost, StreamError

_WAL_DATA = ord("w")
FRAME = 25
"""Bytes in front of a message: what it is, its LSN, how far the source is, when it was sent."""

_keepalive_message = struct.Struct("!BQqB").unpack_from
_status_message = struct.Struct("!BQQQqB").pack


class WalData(NamedTuple):
    """One message of pgoutput."""

    content: bytes
    start: bytes = b""
    """Its LSN, as sent."""

    @property
    def lsn(self) -> int:
        return int.from_bytes(self.start, "big")


class SourceConnection:
    """One replication connection. Blocking until `start`, non-blocking afterwards."""

    def __init__(self, dsn: str, application: str) -> None:
        text = conninfo(dsn, application, replication="database")
        self._pgconn = pq.PGconn.connect(text.encode())
        self._heard = time.monotonic()
        if self._pgconn.status != pq.ConnStatus.OK:
            said = self._pgconn.get_error_message()
            self._pgconn.finish()
            raise PooledConnection("source") if speaks_of_parameters(said) else ConnectionLost("source", said)
        if self.rows("select pg_catalog.pg_backend_pid()") != [(str(self._pgconn.backend_pid),)]:
            self._pgconn.finish()
            raise PooledConnection("source")

    def close(self) -> None:
        """A connection left open would keep the slot active."""
        self._pgconn.finish()

    @property
    def socket(self) -> int:
        return self._pgconn.socket

    def rows(self, query: str) -> list[tuple[str | None, ...]]:
        """Run one command of the replication protocol or a simple query."""
        result = self._pgconn.exec_(query.encode())
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise self._failed(result)
        return _rows(result)

    def rows_within(self, query: str, seconds: float) -> list[tuple[str | None, ...]] | None:
        """As `rows`, but None when the answer is not there in time; then only `cancel` and `close` are left."""
        self._pgconn.send_query(query.encode())
        deadline = time.monotonic() + seconds
        while self._pgconn.is_busy():
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            select.select([self._pgconn.socket], [], [], left)
            self._pgconn.consume_input()
        result = self._pgconn.get_result()
        if result is None or result.status != pq.ExecStatus.TUPLES_OK:
            raise self._failed(result) if result else ConnectionLost("source", "no answer")
        while self._pgconn.get_result() is not None:
            pass
        return _rows(result)

    def cancel(self) -> None:
        """Interrupt the running command; what it was about to make is undone by the server."""
        self._pgconn.get_cancel().cancel()
        while self._pgconn.get_result() is not None:
            pass

    @property
    def backend_pid(self) -> int:
        return self._pgconn.backend_pid

    def identify(self, slot: str) -> Identity:
        """The server we are talking to."""
        system_id, timeline, *_ = self.rows("IDENTIFY_SYSTEM")[0]
        return Identity(system_id or "", int(timeline or 0), slot, self._database())

    def _database(self) -> str:
        found = self.rows("select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()")
        return found[0][0] or ""

    def confirmed(self, slot: str) -> int | None:
        """What the slot has confirmed; None if it is missing, of another kind, or has lost its WAL."""
        found = self.rows(
            "select confirmed_flush_lsn from pg_catalog.pg_replication_slots where slot_name = "  # noqa: S608
            f"{_literal(slot)} and plugin = 'pgoutput' and database = pg_catalog.current_database()"
            " and wal_status <> 'lost'"
        )
        return parse_lsn(found[0][0]) if found and found[0][0] else None

    def standing(self, slot: str) -> Standing:
        """Everything by which a stream finds out whether it can go on here."""
        system_id, timeline, end, *_ = self.rows("IDENTIFY_SYSTEM")[0]
        number = int(timeline or 0)
        lost = self.rows(
            "select 1 from pg_catalog.pg_replication_slots where slot_name = "  # noqa: S608
            f"{_literal(slot)} and wal_status = 'lost'"
        )
        history = self.rows(f"TIMELINE_HISTORY {number}")[0][1] if number > 1 else ""
        identity = Identity(system_id or "", number, slot, self._database())
        end_lsn, beats = parse_lsn(end or "0/0"), self._beats(slot)
        return Standing(identity, end_lsn, self.confirmed(slot), bool(lost), forks(history or ""), beats)

    def _beats(self, slot: str) -> int:
        """How many heartbeats of this slot's stream the database has counted; 0 also in one of an earlier fig."""
        if not self.rows("select 1 where pg_catalog.to_regclass('fig.heartbeat') is not null"):
            return 0
        found = self.rows(f"select beats from fig.heartbeat where slot = {_literal(slot)}")  # noqa: S608
        return int(found[0][0] or 0) if found else 0

    def start(self, slot: str, publication: str, lsn: int) -> None:
        """Begin to receive everything that committed after `lsn`, and after what the slot has confirmed."""
        result = self._pgconn.exec_(
            f"START_REPLICATION SLOT \"{slot}\" LOGICAL {lsn_text(lsn)} (proto_version '1',"
            f" publication_names {_literal(_identifier(publication))}, messages 'true')".encode()
        )
        if result.status != pq.ExecStatus.COPY_BOTH:
            raise self._failed(result)
        self._pgconn.nonblocking = 1
        self._heard = time.monotonic()

    def receive(self) -> WalData | Keepalive | None:
        """The next message if there is one; None when nothing has arrived."""
        found = self.receive_framed()
        if found is None or isinstance(found, Keepalive):
            return found
        return WalData(bytes(found[FRAME:]), bytes(found[1:9]))

    def receive_framed(self) -> memoryview | Keepalive | None:
        """As `receive`; the message has its frame, FRAME bytes, in front of it, and is not copied."""
        size, data = self._pgconn.get_copy_data(1)
        if size == 0:
            self._pgconn.consume_input()
            size, data = self._pgconn.get_copy_data(1)
        if size == 0:
            return None
        if size < 0:
            raise self._ended()
        self._heard = time.monotonic()
        if data[0] == _WAL_DATA:
            return data
        _kind, wal_end, _time, reply = _keepalive_message(data)
        return Keepalive(wal_end, reply == 1)

    def send_status(self, flushed: int, applied: int, ask: bool = False) -> None:
        """Tell the source what may be forgotten; `ask` for an answer."""
        self._pgconn.put_copy_data(
            _status_message(ord("r"), applied, flushed, applied, protocol_now(), 1 if ask else 0)
        )
        self._pgconn.flush()

    def silence(self) -> float:
        """Seconds since the source said anything."""
        return time.monotonic() - self._heard

    def _ended(self) -> StreamError:
        result = self._pgconn.get_result()
        while result is not None and result.status == pq.ExecStatus.COPY_BOTH:
            result = self._pgconn.get_result()
        if result is None or result.status == pq.ExecStatus.COMMAND_OK:
            return ConnectionLost("source", self._pgconn.get_error_message() or "the server ended the stream")
        return self._failed(result)

    def _failed(self, result: pq.abc.PGresult) -> StreamError:
        state = result.error_field(pq.DiagnosticField.SQLSTATE)
        said = result.get_error_message()
        sqlstate = state.decode() if state else None
        if passes(sqlstate):
            return ConnectionLost("source", said)
        return StreamError(f"the source refuses ({sqlstate}): {said.strip()}", "Look into the source's log")


def _rows(result: pq.abc.PGresult) -> list[tuple[str | None, ...]]:
    def value(row: int, column: int) -> str | None:
        found = result.get_value(row, column)
        return None if found is None else found.decode()

    return [tuple(value(r, c) for c in range(result.nfields)) for r in range(result.ntuples)]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
