"""Sets both databases up as their owners would, on throw-away servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.support.postgres import PostgresServer

ORIGIN_FUNCTIONS = (
    "pg_replication_origin_create(text)",
    "pg_replication_origin_drop(text)",
    "pg_replication_origin_session_setup(text)",
    "pg_replication_origin_session_reset()",
    "pg_replication_origin_session_progress(boolean)",
    "pg_replication_origin_progress(text, boolean)",
    "pg_replication_origin_xact_setup(pg_lsn, timestamptz)",
    "pg_replication_origin_oid(text)",
)


@dataclass(frozen=True)
class Database:
    """One database and the ways into it."""

    server: PostgresServer
    name: str
    owner: str
    application: str

    def dsn(self, user: str = "postgres") -> str:
        return self.server.dsn(self.name, user)

    def connect(
        self, user: str = "postgres", autocommit: bool = True, application_name: str = ""
    ) -> psycopg.Connection:
        return psycopg.connect(self.dsn(user), autocommit=autocommit, application_name=application_name)

    def run(self, sql: str, user: str = "postgres") -> None:
        with self.connect(user) as connection:
            connection.execute(sql)


@dataclass(frozen=True)
class Databases:
    """The awkward monolith's database and the new service's."""

    acme: Database
    book: Database

    @property
    def variables(self) -> Mapping[str, str]:
        """What the plan files of this folder refer to."""
        return {
            "FIG_ACME_DSN": self.acme.dsn("fig"),
            "FIG_ACME_ADMIN_DSN": self.acme.dsn(),
            "FIG_BOOK_DSN": self.book.dsn("fig"),
            "FIG_BOOK_ADMIN_DSN": self.book.dsn(),
        }


def create(acme_dsn: str, acme: PostgresServer, book_dsn: str, book: PostgresServer) -> Databases:
    """Roles, schemas and grants in two empty databases (superusers' DSNs)."""
    return Databases(
        _create(acme, acme_dsn, "acme_owner", "acme_app", "monolith.sql"),
        _create(book, book_dsn, "book_owner", "book_app", "service.sql"),
    )


def _create(server: PostgresServer, dsn: str, owner: str, application: str, schema: str) -> Database:
    name = str(conninfo_to_dict(dsn)["dbname"])
    database = Database(server, name, owner, application)
    with database.connect() as admin:
        for role, attributes in ((owner, "login"), (application, "login"), ("fig", "login replication")):
            if admin.execute("select from pg_roles where rolname = %s", [role]).fetchone() is None:
                admin.execute(f"create role {role} {attributes}")
        admin.execute(f'grant create on database "{name}" to {owner}, fig; grant {owner}, pg_monitor to fig')
        admin.execute("grant set on parameter session_replication_role to fig")
        for function in ORIGIN_FUNCTIONS:
            admin.execute(f"grant execute on function {function} to fig")
        admin.execute(f"set role {owner}")
        admin.execute(files(__package__).joinpath(schema).read_text())
    return database
