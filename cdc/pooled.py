"""A pooler between us and a server: noticed when a session begins, and refused.

Our sessions keep something of their own (the role `replica`, a replication origin, locks, bounds for waiting). A
pooler hands a server's session to whoever comes next: an application's write would go past the fence.
"""

from __future__ import annotations

from typing import Any

import psycopg

from cdc.stream_errors import StreamError

NEXT_STEP = "Name the server itself in the dsn; the application may go on through its pooler"


class PooledConnection(StreamError):
    """A pooler answers under this address."""

    code = "pooled-connection"

    def __init__(self, side: str) -> None:
        super().__init__(f"a pooler answers for the stream's {side}, and our sessions cannot be shared", NEXT_STEP)
        self.side = side


def is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Whether another process answers than the one that took the connection: a pooler has its own keys to cancel."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        row = cursor.execute("select pg_catalog.pg_backend_pid()").fetchone()
    return row is None or row[0] != connection.info.backend_pid


def speaks_of_parameters(said: str) -> bool:
    """Whether a refused connection was refused as only a pooler does, for what it was to begin with.

    A server that does not know a parameter names another error; it knows all that we send.
    """
    return "unsupported startup parameter" in said
