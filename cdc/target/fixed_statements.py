"""The statements of a session on the target that are the same in each of its transactions, prepared as it begins."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import pq

from cdc import servers, signature
from cdc.kafka import topic_place
from cdc.spec import StreamSpec
from cdc.target import refusals

_STATEMENTS = {
    b"begin": "begin",
    b"commit": "commit",
    b"advance": "select fig.advance_position($1, $2, $3, $4, $5, $6)",
    b"flushed": "select pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn()",
}
_UNORIGINATED = {b"sign": signature.MESSAGE, b"advance": "select fig.advance_unoriginated($1, $2, $3, $4, $5, $6)"}


def prepare(spec: StreamSpec, connection: psycopg.Connection[Any], by_origin: bool) -> None:
    """All of them; `by_origin`: whether the session signs by its replication origin."""
    kept = topic_place.STATEMENTS if spec.kafka else {}
    for name, sql in {**_STATEMENTS, **({} if by_origin else _UNORIGINATED), **kept}.items():
        _prepare(spec, connection, name, sql)
    _prepare(spec, connection, b"guard", spec.guard(connection) if spec.guard else "select")


def prepare_guard_again(spec: StreamSpec, connection: psycopg.Connection[Any]) -> None:
    """As a new session would have it now."""
    if spec.guard is None:
        return
    try:
        guard = spec.guard(connection)
        connection.execute("deallocate guard")
    except psycopg.Error as error:
        raise servers.refused("target", error) from error
    _prepare(spec, connection, b"guard", guard)


def _prepare(spec: StreamSpec, connection: psycopg.Connection[Any], name: bytes, sql: str) -> None:
    result = connection.pgconn.prepare(name, sql.encode())
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise refusals.named(spec, result, name.decode(), sql, "")
