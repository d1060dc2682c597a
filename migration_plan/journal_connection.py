"""The way into the journal's database: its tables are there when it is open, and who acts is known."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from cdc.pooled import is_pooled, speaks_of_parameters
from migration_plan import versions
from migration_plan.access import VARIABLE, Access, Forbidden, Role, identify
from migration_plan.entries import actor, os_user
from migration_plan.errors import JournalUnreachable, PooledDsn
from migration_plan.side import CONNECT


class JournalConnection:
    """One connection for all threads of a process, made when it is used, by whoever acts."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._dsn = make_conninfo(dsn, **CONNECT)
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        self._connecting = threading.Lock()
        self.actor = actor(os_user())
        self.reason = ""
        """Why the person acts who gave the command; goes into each of its entries."""
        self.access: Access | None = None
        self._given: Access | None = None

    def act_as(self, access: Access, who: str) -> None:
        """From now on for a person whom somebody else has identified; before the first use of the connection."""
        self._given, self.actor = access, actor(who)

    def close(self) -> None:
        with self._connecting:  # Whoever connects anew at this moment keeps what they have made.
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connected(self) -> psycopg.Connection[dict[str, Any]]:
        """One connection for all threads of a process; psycopg lets one of them at a time use it."""
        with self._connecting:
            if self._connection is None or self._connection.closed:
                self._connection = self._open()
            return self._connection

    def _open(self) -> psycopg.Connection[dict[str, Any]]:
        connection = psycopg.connect(self._dsn, autocommit=True, row_factory=dict_row)
        try:
            if is_pooled(connection):
                raise _pooled()
            _install(connection)
            self._meet(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _meet(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        """Learn who acts; a token's name goes before the system's user."""
        if self._given is not None:
            self.access = self._given
            return
        self.access = identify(connection, os.environ)
        if self.access is not None and self.access.name:
            self.actor = actor(self.access.name)

    def demand(self, needed: Role, what: str) -> None:
        """Forbidden unless whoever acts may do `what`."""
        with self.session():
            access = self.access
        if access is None:
            raise Forbidden(f"{what} needs the role {needed}; nobody may without {VARIABLE}", f"set {VARIABLE}")
        access.demand(needed, what)

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """The journal's connection, whose loss is told by our own error."""
        try:
            yield self._connected()
        except psycopg.OperationalError as error:
            self.close()
            if speaks_of_parameters(str(error)):
                raise _pooled() from error
            raise JournalUnreachable(
                f"the journal's database does not answer: {str(error).strip().splitlines()[0]}", "fig status"
            ) from error


def _pooled() -> PooledDsn:
    return PooledDsn("the journal", "journal.dsn of fig.yml")


def _install(connection: psycopg.Connection[dict[str, Any]]) -> None:
    """The tables as this version of fig knows them."""

    def install(one: psycopg.Connection[Any]) -> None:
        one.execute(files(__package__).joinpath("journal.sql").read_text())

    versions.bring_on(connection, "journal", "the journal's database", install)
