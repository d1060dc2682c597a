"""Two databases with different schemas of one small domain, a stream each way, role `fig` without superuser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest

from cdc import install
from cdc.copying import snapshot
from cdc.spec import Progress, StreamSpec
from cdc.stream import Stream
from tests.integration.cdc.stream.library import (
    MONOLITH_TABLES,
    SERVICE_TABLES,
    TO_MONOLITH,
    TO_SERVICE,
)
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

ORIGIN_FUNCTIONS = (
    "pg_replication_origin_create(text)", "pg_replication_origin_drop(text)",
    "pg_replication_origin_session_setup(text)", "pg_replication_origin_session_reset()",
    "pg_replication_origin_xact_setup(pg_lsn,timestamptz)", "pg_replication_origin_progress(text,boolean)",
)  # fmt: skip


def make_side(server: PostgresServer, dsn: str, tables: str) -> None:
    """Roles and grants as a side has them; tables belong to `owner`."""
    database = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    with psycopg.connect(dsn, autocommit=True) as admin:
        for role in ("owner", "app", "fig"):
            if admin.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone() is None:
                admin.execute(f"create role {role} login" + (" replication" if role == "fig" else ""))
        admin.execute("grant owner to fig; grant pg_monitor to fig")
        admin.execute("grant set on parameter session_replication_role to fig")
        admin.execute(f'grant create on database "{database}" to fig; grant create, usage on schema public to owner')
        for function in ORIGIN_FUNCTIONS:
            admin.execute(f"grant execute on function {function} to fig")
        admin.execute("set role owner")
        admin.execute(tables)
        admin.execute("grant select, insert, update, delete, truncate on all tables in schema public to app")
        admin.execute("grant usage on all sequences in schema public to app; reset role")


@dataclass
class Running:
    """A stream in a thread; what it raised is raised again by `end`."""

    stream: Stream
    stop: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.stream.run(self.stop)
        except BaseException as error:  # noqa: BLE001  Handed to the test.
            self.error = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive(), "the stream does not stop"
        if self.error is not None:
            raise self.error

    def fails(self, kind: type[BaseException], seconds: float = 10) -> Any:
        """Wait for the stream to stop by itself with this error."""
        wait_until(lambda: not self.thread.is_alive(), seconds, f"the stream stops with {kind.__name__}")
        error, self.error = self.error, None
        assert isinstance(error, kind), error
        return error


@dataclass
class Pair:
    """The monolith's and the service's database, with the stream of each way."""

    monolith: str
    service: str
    forward: StreamSpec
    backward: StreamSpec
    progress: list[Progress] = field(default_factory=list)

    def on_monolith(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return execute(self.monolith, query, *arguments)

    def on_service(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return execute(self.service, query, *arguments)

    @contextmanager
    def streaming(self, spec: StreamSpec | None = None, **kwargs: Any) -> Iterator[Running]:
        running = Running(Stream(spec or self.forward, self.progress.append, **kwargs))
        try:
            yield running
        finally:
            running.stop.set()
            running.thread.join(20)
            assert not running.thread.is_alive(), "the stream does not stop"
            if running.error is not None:
                raise running.error

    def caught_up(self, spec: StreamSpec | None = None, seconds: float = 20) -> None:
        """Wait until everything that is on the source now is applied."""
        spec = spec or self.forward
        [(lsn,)] = execute(spec.source_dsn, "select pg_current_wal_insert_lsn()")
        wait_until(
            lambda: execute(
                spec.target_dsn, "select 1 from fig.position where stream = %s and lsn >= %s::pg_lsn", spec.name, lsn
            ),
            seconds,
            f"{spec.name} has applied {lsn}",
        )


def execute(dsn: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query, list(arguments) or None)
        return cursor.fetchall() if cursor.description else []


def spec_of(name: str, source: str, target: str, projections: Any) -> StreamSpec:
    return StreamSpec(
        name=f"books_to_{name}", domain="books", source_dsn=source, target_dsn=target, slot=f"fig_{name}",
        publication="fig_books", origin=f"fig_books_to_{name}", projections=projections, heartbeat=0.05,
    )  # fmt: skip


def as_fig(dsn: str) -> str:
    return psycopg.conninfo.make_conninfo(dsn, user="fig")


@pytest.fixture
def pair(
    monolith_server: PostgresServer, services_server: PostgresServer, new_database: Callable[[PostgresServer], str]
) -> Iterator[Pair]:
    monolith, service = new_database(monolith_server), new_database(services_server)
    make_side(monolith_server, monolith, MONOLITH_TABLES)
    make_side(services_server, service, SERVICE_TABLES)
    # Names of slots and origins are the cluster's; databases of other tests may still have some.
    number = psycopg.conninfo.conninfo_to_dict(monolith)["dbname"]
    forward, backward = (
        replace(spec, slot=f"{spec.slot}_{number}", origin=f"{spec.origin}_{number}")
        for spec in (
            spec_of("service", as_fig(monolith), as_fig(service), TO_SERVICE),
            spec_of("monolith", as_fig(service), as_fig(monolith), TO_MONOLITH),
        )
    )
    yield Pair(monolith, service, forward, backward)
    for spec in (forward, backward):
        install.remove(spec)


@pytest.fixture
def copied(pair: Pair) -> Pair:
    """The pair after its snapshot."""
    snapshot.copy(pair.forward)
    return pair
