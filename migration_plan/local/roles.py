"""Databases and roles of a PostgreSQL server of the local stack; safe to repeat."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import Connection, sql

from migration_plan.local.stack import Database

# What a stream needs on its target, and what nobody has by default but superusers.
_ORIGIN_FUNCTIONS = """
    select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname = 'pg_catalog' and p.proname like 'pg\\_replication\\_origin\\_%'
        or p.proname = 'pg_show_replication_origin_status'"""


def prepare(admin_dsn: str, databases: Mapping[str, Database], secrets: Mapping[str, str]) -> None:
    """Every database with its roles and grants, and nothing else changed."""
    with psycopg.connect(admin_dsn, autocommit=True) as server:
        for name, database in databases.items():
            for role in dict.fromkeys((database.owner, database.application, database.fig)):
                if role is not None:
                    _make_role(server, role, secrets[role])
            _make_database(server, name, database.owner)
    for name, database in databases.items():
        with psycopg.connect(admin_dsn, dbname=name) as connection:
            _grant_connect(connection, name, database)
            if database.application is not None:
                _grant_application(connection, database.owner, database.application)
            if database.fig is not None:
                _grant_fig(connection, name, database.owner, database.fig)


def _make_role(server: Connection, role: str, password: str) -> None:
    if server.execute("select from pg_roles where rolname = %s", (role,)).fetchone() is None:
        server.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
    # As a verifier, so that the password itself cannot appear in the server's log.
    verifier = server.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    server.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier)))


def _make_database(server: Connection, name: str, owner: str) -> None:
    if server.execute("select from pg_database where datname = %s", (name,)).fetchone() is None:
        server.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner)))


def _grant_connect(connection: Connection, name: str, database: Database) -> None:
    connection.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))
    for role in (database.owner, database.application, database.fig):
        if role is not None:
            connection.execute(
                sql.SQL("grant connect, temporary on database {} to {}").format(
                    sql.Identifier(name), sql.Identifier(role)
                )
            )


def _grant_application(connection: Connection, owner: str, application: str) -> None:
    """DML on what the owner has and will create; no TRUNCATE, no DDL."""
    names = {"owner": sql.Identifier(owner), "application": sql.Identifier(application)}
    for statement in (
        "grant usage on schema public to {application}",
        "grant select, insert, update, delete on all tables in schema public to {application}",
        "grant usage, select on all sequences in schema public to {application}",
        "alter default privileges for role {owner} in schema public"
        " grant select, insert, update, delete on tables to {application}",
        "alter default privileges for role {owner} in schema public grant usage, select on sequences to {application}",
    ):
        connection.execute(sql.SQL(statement).format(**names))


def _grant_fig(connection: Connection, name: str, owner: str, fig: str) -> None:
    """What the toolkit needs to fence, stream and watch; it never is a superuser."""
    names = {"owner": sql.Identifier(owner), "fig": sql.Identifier(fig), "database": sql.Identifier(name)}
    for statement in (
        "alter role {fig} replication",
        "grant {owner} to {fig}",
        "grant create on database {database} to {fig}",
        "grant pg_monitor to {fig}",
        "grant set on parameter session_replication_role to {fig}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
    for (function,) in connection.execute(_ORIGIN_FUNCTIONS).fetchall():
        connection.execute(sql.SQL("grant execute on function {} to {fig}").format(sql.SQL(function), **names))
