"""The users' database as the local stack makes it: tables of one role, the application another."""

from __future__ import annotations

import psycopg
from psycopg.sql import SQL, Identifier

from extracted.platform.migrations import migrate
from extracted.users.migrate import MIGRATIONS
from tests.support.postgres import PostgresServer

ROLES = """
do $$ begin
    if to_regrole('users_owner') is null then create role users_owner login; end if;
    if to_regrole('users_app') is null then create role users_app login; end if;
end $$
"""


def create_users_database(server: PostgresServer, name: str) -> str:
    """The URL for the application."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(ROLES)
        connection.execute(SQL("create database {} owner users_owner").format(Identifier(name)))
    with psycopg.connect(server.dsn(name), autocommit=True) as connection:
        connection.execute("alter schema public owner to users_owner")
    url = f"postgresql+psycopg2://{{}}@127.0.0.1:{server.port}/{name}"
    migrate(MIGRATIONS, url.format("users_owner"))
    return url.format("users_app")
