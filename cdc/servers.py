"""An ordinary session on either server, with our settings; and what a server's refusal means for who asked."""

from __future__ import annotations

import select
import time
from collections.abc import Callable

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cdc.pooled import PooledConnection, is_pooled, speaks_of_parameters
from cdc.stream_errors import ConnectionLost, StreamError

# The text of a value must not depend on how a role or database is configured.
TEXT_SETTINGS = (
    "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3 -c timezone=UTC -c bytea_output=hex"
    " -c lc_monetary=C -c xmlbinary=base64 -c client_encoding=UTF8"
)
NO_TIMEOUTS = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
# A policy that hides rows from our role would make each of them a row that the source does not have: an error instead.
ALL_ROWS = "-c row_security=off"
_KEEPALIVE = {
    "connect_timeout": "5", "keepalives_idle": "5", "keepalives_interval": "2", "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}  # fmt: skip
_BUSY = {"55006", "53300", "57P01", "57P02", "57P03", "40001", "40P01", "25P03", "57P05"}
"""Slot or origin still held by our last session, no free connection, shutting down, deadlock: all pass."""


def conninfo(dsn: str, application: str, **more: str) -> str:
    """The DSN with our session settings; what the DSN says itself about the connection stays."""
    given = conninfo_to_dict(dsn)
    wanted = {name: value for name, value in {**_KEEPALIVE, **more}.items() if name not in given}
    options = f"{given.get('options', '')} {TEXT_SETTINGS} {NO_TIMEOUTS} {ALL_ROWS}".strip()
    return make_conninfo(dsn, **{**wanted, "application_name": application, "options": options})


def passes(sqlstate: str | None) -> bool:
    """Whether an error of this SQLSTATE goes away by connecting again."""
    return sqlstate is None or sqlstate[:2] == "08" or sqlstate in _BUSY


def connect(dsn: str, side: str, application: str) -> psycopg.Connection[tuple[object, ...]]:
    """An ordinary connection in autocommit with our settings."""
    try:
        connection = psycopg.connect(conninfo(dsn, application), autocommit=True)
        if is_pooled(connection):
            connection.close()
            raise PooledConnection(side)
        return connection
    except psycopg.Error as error:
        raise refused(side, error) from error


def patiently(act: Callable[[], object], patience: float) -> None:
    """Do what the last session of a process that has just ended may still be in the way of (ObjectInUse)."""
    deadline = time.monotonic() + patience
    while True:
        try:
            act()
            return
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
            select.select([], [], [], 0.05)


def refused(side: str, error: psycopg.Error) -> StreamError:
    """A server's refusal outside of the stream itself: to be tried again, or to be looked at."""
    if speaks_of_parameters(str(error)):
        return PooledConnection(side)
    if isinstance(error, psycopg.OperationalError) and passes(error.sqlstate):
        return ConnectionLost(side, str(error))
    return StreamError(f"the stream's {side} refuses: {str(error).strip()}", "Correct the role's rights or the plan")
