"""The session with one side's database: how it connects, and that what is there of ours is of this version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from cdc.pooled import is_pooled, speaks_of_parameters
from migration_plan import versions
from migration_plan.errors import PooledDsn, SideUnreachable
from migration_plan.lifecycle import Side

Connection = psycopg.Connection[dict[str, Any]]
CONNECT = {
    "connect_timeout": "2", "tcp_user_timeout": "3000", "keepalives_idle": "2", "keepalives_interval": "1",
    "keepalives_count": "3", "application_name": "fig-controller",
    # A call that outlives its caller must end by itself; locks have their own, shorter bound. What we ask of catalogs
    # is over long before a compiler would have read it.
    "options": "-c statement_timeout=10s -c idle_in_transaction_session_timeout=2s -c synchronous_commit=on -c jit=off",
}  # fmt: skip

# Whoever looks at both sides keeps one of them waiting meanwhile.
_LOOKING = (
    "set transaction read only; set local lock_timeout = '1s'; set local idle_in_transaction_session_timeout = '10s'"
)


def _bring_on(connection: psycopg.Connection[Any]) -> None:
    """What there is of ours, as this version has it: what the streams keep, then what needs it."""
    for table, package, name in (
        ("fig.stream_control", "cdc", "control.sql"), ("fig.position", "cdc", "stream.sql"),
        ("fig.outbox", "cdc.outbox", "outbox.sql"), ("fig.domain", __package__, "side.sql"),
    ):  # fmt: skip
        if connection.execute("select 1 where to_regclass(%s) is not null", [table]).fetchone() is not None:
            connection.execute(files(package).joinpath(name).read_bytes())


class SideSession:
    """One lazily opened connection; a lost one is opened again at the next call."""

    def __init__(self, side: Side, dsn: str) -> None:
        self.side = side
        said = conninfo_to_dict(dsn)
        self._dsn = make_conninfo(dsn, **{k: v for k, v in CONNECT.items() if k not in said})
        self._connection: Connection | None = None
        self._met: Connection | None = None
        """The one on which our tables were seen."""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """The connection in autocommit; SideUnreachable instead of operational errors."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._open()
            yield self._connection
        except psycopg.OperationalError as error:
            if speaks_of_parameters(str(error)):
                raise self._pooled() from error
            if self._connection is not None and not self._connection.closed:
                raise  # The server answered; what it said is for the caller.
            self.close()
            raise SideUnreachable(self.side, str(error).strip().splitlines()[0]) from error

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """The connection in a read-only transaction that waits a second for locks, at most, and leaves nothing."""
        with self.connection() as connection, connection.transaction(force_rollback=True):
            connection.execute(_LOOKING)
            yield connection

    def _open(self) -> Connection:
        connection = psycopg.connect(self._dsn, autocommit=True, row_factory=dict_row)
        if is_pooled(connection):
            connection.close()
            raise self._pooled()
        try:
            self._meet(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _meet(self, connection: Connection) -> None:
        """What an earlier fig has left here is brought on; a database that knows no domain of ours is left alone."""
        if self._has_schema(connection):
            versions.bring_on(connection, "side", f"the database of the {self.side} side", _bring_on)

    @staticmethod
    def _has_schema(connection: Connection) -> bool:
        return connection.execute("select 1 where to_regclass('fig.domain') is not null").fetchone() is not None

    def _pooled(self) -> PooledDsn:
        return PooledDsn(f"the {self.side} side", f"sides.{self.side}.dsn of the plan")
