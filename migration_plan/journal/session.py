"""One session with the journal's database: opened when it is used, opened again when it was lost, and its loss told by
our own error. Whoever keeps something there says in `_prepare` what has to be in place.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from cdc.pooled import is_pooled, speaks_of_parameters
from migration_plan.errors import JournalUnreachable, PooledDsn
from migration_plan.sides.session import CONNECT

Connection = psycopg.Connection[dict[str, Any]]


class JournalSession:
    """Raises JournalUnreachable, and nothing else, when the database is away; PooledDsn behind a pooler."""

    application = CONNECT["application_name"]
    """How the database's server lists it."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._dsn = make_conninfo(dsn, **{**CONNECT, "application_name": self.application})
        self._connection: Connection | None = None
        self._connecting = threading.Lock()

    def close(self) -> None:
        with self._connecting:  # Whoever connects anew at this moment keeps what they have made.
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """The connection in autocommit: one for all threads, of which psycopg lets one at a time use it."""
        try:
            yield self._connected()
        except psycopg.OperationalError as error:
            self.close()
            if speaks_of_parameters(str(error)):
                raise _pooled() from error
            raise JournalUnreachable(
                f"the journal's database does not answer: {str(error).strip().splitlines()[0]}", "fig status"
            ) from error

    def _prepare(self, connection: Connection) -> None:
        """What has to be in place before the first statement; may be repeated at any time."""

    def _connected(self) -> Connection:
        with self._connecting:
            if self._connection is None or self._connection.closed:
                self._connection = self._open()
            return self._connection

    def _open(self) -> Connection:
        connection = psycopg.connect(self._dsn, autocommit=True, row_factory=dict_row)
        try:
            if is_pooled(connection):
                raise _pooled()
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _pooled() -> PooledDsn:
    return PooledDsn("the journal", "journal.dsn of fig.yml")
