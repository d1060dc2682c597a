"""The catalog's database as the local stack makes it: tables of one role, the application another."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Identifier

from extracted.catalog.migrate import MIGRATIONS
from extracted.platform.migrations import migrate
from tests.support.postgres import PostgresServer

ROLES = """
do $$ begin
    if to_regrole('catalog_owner') is null then create role catalog_owner login; end if;
    if to_regrole('catalog_app') is null then create role catalog_app login; end if;
end $$
"""


@dataclass(frozen=True)
class CatalogDatabase:
    server: PostgresServer
    name: str

    def url(self, role: str = "catalog_app") -> str:
        return f"postgresql+psycopg2://{role}@127.0.0.1:{self.server.port}/{self.name}"

    def connect(self, role: str = "catalog_owner") -> psycopg.Connection:
        return psycopg.connect(self.server.dsn(self.name, role), autocommit=True)

    def scalar(self, query: str, *parameters: object) -> object:
        with self.connect() as connection:
            row = connection.execute(query.encode(), parameters).fetchone()
        return row[0] if row else None


def create_catalog_database(server: PostgresServer, name: str) -> CatalogDatabase:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(ROLES)
        connection.execute(SQL("create database {} owner catalog_owner").format(Identifier(name)))
    with psycopg.connect(server.dsn(name), autocommit=True) as connection:
        connection.execute("alter schema public owner to catalog_owner")
    database = CatalogDatabase(server, name)
    migrate(MIGRATIONS, database.url("catalog_owner"))
    return database
