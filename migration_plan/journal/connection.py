"""The way into the journal itself: its tables are there when it is open, and who acts is known."""

from __future__ import annotations

import os
from importlib.resources import files
from typing import Any

import psycopg

from migration_plan import versions
from migration_plan.journal.access import VARIABLE, Access, Forbidden, Role, identify
from migration_plan.journal.entries import actor, os_user
from migration_plan.journal.session import Connection, JournalSession


class JournalConnection(JournalSession):
    """A session of whoever acts: by their token, or as the system's user."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.actor = actor(os_user())
        self.reason = ""
        """Why the person acts who gave the command; goes into each of its entries."""
        self.access: Access | None = None
        self._given: Access | None = None

    def act_as(self, access: Access, who: str) -> None:
        """From now on for a person whom somebody else has identified; before the first use of the connection."""
        self._given, self.actor = access, actor(who)

    def demand(self, needed: Role, what: str) -> None:
        """Forbidden unless whoever acts may do `what`."""
        with self.session():
            access = self.access
        if access is None:
            raise Forbidden(f"{what} needs the role {needed}; nobody may without {VARIABLE}", f"set {VARIABLE}")
        access.demand(needed, what)

    def _prepare(self, connection: Connection) -> None:
        """The tables as this version of fig knows them; then learn who acts: a token's name goes before the user's."""
        versions.bring_on(connection, "journal", "the journal's database", _install)
        if self._given is not None:
            self.access = self._given
            return
        self.access = identify(connection, os.environ)
        if self.access is not None and self.access.name:
            self.actor = actor(self.access.name)


def _install(connection: psycopg.Connection[Any]) -> None:
    connection.execute(files(__package__).joinpath("journal.sql").read_text())
