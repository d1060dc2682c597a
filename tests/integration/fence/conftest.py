"""A side with real roles, one domain of two tables (one partitioned), and the fence installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from migration_plan.lifecycle import Side
from migration_plan.sides.side import SideDatabase
from tests.support.postgres import PostgresServer

DOMAIN = "books"


@dataclass
class FencedSide:
    """One database with the domain enrolled, and ways in: as the application, as fig, as the superuser."""

    server: PostgresServer
    database: str
    side: SideDatabase

    def connect(self, user: str = "app", **kwargs) -> psycopg.Connection:
        return psycopg.connect(self.server.dsn(self.database, user), application_name=f"test-{user}", **kwargs)

    def say_applied(self, epoch: int, lsn: str = "0/20") -> None:
        """What the stream records when it has applied the other side's fence marker."""
        with self.connect("fig", autocommit=True) as fig:
            fig.execute(
                "insert into fig.position (stream, system_id, timeline, slot, lsn, marker) values"
                " ('books_to_service', '1', 1, 's', %s::pg_lsn,"
                " jsonb_build_object('kind', 'fence', 'epoch', %s::bigint, 'sequences',"
                " jsonb_build_object('public.book_id_seq', 5000)))"
                " on conflict (stream) do update set lsn = excluded.lsn, marker = excluded.marker",
                [lsn, epoch],
            )


def prepare(server: PostgresServer, dsn: str, side: Side, state: str) -> FencedSide:
    database = str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])
    with psycopg.connect(dsn, autocommit=True) as admin:
        for role in ("owner", "app", "fig"):
            if admin.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone() is None:
                admin.execute(f"create role {role} login" + (" replication" if role == "fig" else ""))
        admin.execute(
            "grant owner to fig; grant pg_monitor to fig; grant set on parameter session_replication_role to fig"
        )
        admin.execute(f'grant create on database "{database}" to fig; grant create, usage on schema public to owner')
        admin.execute("set role owner")
        admin.execute("create table book (id bigserial primary key, title text not null default '')")
        admin.execute("create table loan (id bigint, year int, primary key (id, year)) partition by range (year)")
        admin.execute("create table loan_2026 partition of loan for values from (2026) to (2027)")
        admin.execute("grant select, insert, update, delete, truncate on all tables in schema public to app")
        admin.execute("grant usage on all sequences in schema public to app; reset role")
    database_port = SideDatabase(side, server.dsn(database, "fig"))
    with psycopg.connect(server.dsn(database, "fig"), autocommit=True) as fig:
        fig.execute("create schema if not exists fig")
        fig.execute(files("cdc").joinpath("stream.sql").read_text())
    database_port.install()
    database_port.enroll(DOMAIN, state, 1, ["public.book", "public.loan"], 1.0)
    return FencedSide(server, database, database_port)


@pytest.fixture
def owner_side(monolith_server: PostgresServer, new_database: Callable[[PostgresServer], str]) -> Iterator[FencedSide]:
    side = prepare(monolith_server, new_database(monolith_server), Side.MONOLITH, "owner")
    yield side
    side.side.close()


@pytest.fixture
def standby_side(
    services_server: PostgresServer, new_database: Callable[[PostgresServer], str]
) -> Iterator[FencedSide]:
    side = prepare(services_server, new_database(services_server), Side.SERVICE, "standby")
    yield side
    side.side.close()


@pytest.fixture
def sentry(owner_side: FencedSide) -> FencedSide:
    with psycopg.connect(owner_side.server.dsn(owner_side.database), autocommit=True) as admin:
        admin.execute((Path("migration_plan") / "sync" / "sentry.sql").read_text())
    return owner_side


@pytest.fixture
def vacuuming_server(server_folder: Path, request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server whose autovacuum comes at once and takes long; of its own, for the launcher knows new databases late."""
    server = PostgresServer(
        server_folder / f"pg-vacuuming-{abs(hash(request.node.name))}",
        settings={
            "autovacuum_naptime": "1s",
            "autovacuum_vacuum_cost_delay": "100ms",
            "autovacuum_vacuum_cost_limit": "1",
        },
    )
    server.create()
    server.start()
    yield server
    server.stop()
