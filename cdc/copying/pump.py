"""COPY to COPY: rows from one server to another as they are, nothing done for each of them but moving its bytes."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from psycopg import pq

CHUNK = 256 * 1024
"""Bytes that go to the target at once."""
WAIT_MS = 500


class Stopped(Exception):
    """Told to stop; whoever told knows why."""


def pump(
    source: psycopg.Connection[Any],
    out: bytes,
    target: psycopg.Connection[Any],
    into: bytes,
    on_bytes: Callable[[int], None],
    stop: threading.Event,
) -> int:
    """Rows copied. psycopg.Error as either server refuses; both connections are then good for closing only.

    psycopg's own COPY wakes its event loop for each row; here a row costs one call, and is joined with others in C.
    """
    reader, writer = source.pgconn, target.pgconn
    _begin(source, out, pq.ExecStatus.COPY_OUT)
    _begin(target, into, pq.ExecStatus.COPY_IN)
    reader.nonblocking = writer.nonblocking = 1
    try:
        _move(reader, writer, on_bytes, stop)
        _end_of_out(source)
        while writer.put_copy_end() == 0:
            _wait(writer, select.POLLOUT)
        _flushed(writer, stop)
        return _end_of_in(target, stop)
    finally:
        reader.nonblocking = writer.nonblocking = 0


def _begin(connection: psycopg.Connection[Any], command: bytes, expected: int) -> None:
    result = connection.pgconn.exec_(command)
    if result.status != expected:
        raise _error(connection, result)


class _Arrived:
    """The rows that have arrived and not been taken, one after the other; never waits."""

    def __init__(self, reader: pq.abc.PGconn) -> None:
        self._get = reader.get_copy_data
        self.has_ended = False

    def __iter__(self) -> Iterator[memoryview]:
        get = self._get
        while True:
            length, data = get(1)
            if length <= 0:
                self.has_ended = length < 0
                return
            yield data


def _move(reader: pq.abc.PGconn, writer: pq.abc.PGconn, on_bytes: Callable[[int], None], stop: threading.Event) -> None:
    arrived, chunks, size = _Arrived(reader), list[bytes](), 0
    while not arrived.has_ended:
        chunks.append(b"".join(arrived))
        size += len(chunks[-1])
        if size >= CHUNK or (arrived.has_ended and size):
            _put(writer, b"".join(chunks), stop)
            on_bytes(size)
            chunks.clear()
            size = 0
        if not arrived.has_ended:
            _wait(reader, select.POLLIN)
            reader.consume_input()
        if stop.is_set():
            raise Stopped


def _put(writer: pq.abc.PGconn, data: bytes, stop: threading.Event) -> None:
    while writer.put_copy_data(data) == 0:
        _flushed(writer, stop)
    _flushed(writer, stop)


def _flushed(writer: pq.abc.PGconn, stop: threading.Event) -> None:
    """Everything is handed over: memory stays bounded by one chunk."""
    while writer.flush() == 1:
        if stop.is_set():
            raise Stopped
        _wait(writer, select.POLLIN | select.POLLOUT)
        writer.consume_input()


def _wait(connection: pq.abc.PGconn, events: int) -> None:
    poll = select.poll()
    poll.register(connection.socket, events)
    poll.poll(WAIT_MS)


def _end_of_out(source: psycopg.Connection[Any]) -> None:
    """The source's verdict on its own COPY."""
    failed = None
    while (result := source.pgconn.get_result()) is not None:
        if result.status != pq.ExecStatus.COMMAND_OK:
            failed = failed or result
    if failed is not None:
        raise _error(source, failed)


def _end_of_in(target: psycopg.Connection[Any], stop: threading.Event) -> int:
    """The target's verdict, and how many rows it has taken. Constraints are judged here: it may take long."""
    writer, rows, failed = target.pgconn, 0, None
    while True:
        while writer.is_busy():
            if stop.is_set():
                raise Stopped
            _wait(writer, select.POLLIN)
            writer.consume_input()
        result = writer.get_result()
        if result is None:
            break
        if result.status == pq.ExecStatus.COMMAND_OK:
            rows = result.command_tuples or 0
        elif result.status != pq.ExecStatus.COPY_IN:
            failed = failed or result
    if failed is not None:
        raise _error(target, failed)
    return rows


def _error(connection: psycopg.Connection[Any], result: pq.abc.PGresult) -> psycopg.Error:
    return psycopg.errors.error_from_result(result, encoding="utf-8")
