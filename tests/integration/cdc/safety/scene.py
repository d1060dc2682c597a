"""A source of its own that is stopped, copied, promoted and restored, and a stream from it to a shared target."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from cdc.spec import StreamSpec
from cdc.stream import Stream
from tests.integration.cdc.stream.applier import spec as applier_spec
from tests.integration.cdc.stream.conftest import Running, as_fig, execute, make_side
from tests.support.postgres import PostgresServer, free_port
from tests.support.waiting import wait_until

ENTRIES = "create table entry (id bigserial primary key, n int)"
TARGET_ENTRIES = "create table entry (id bigint primary key, n int)"
ROWS = "select id, n from entry order by id"


def new_source(folder: Path, settings: dict[str, str] | None = None) -> PostgresServer:
    """A running server with the table `entry` in its database postgres."""
    server = PostgresServer(folder, settings=settings or {})
    server.create()
    server.start()
    make_side(server, server.dsn(), ENTRIES)
    return server


def copy_of(server: PostgresServer, folder: Path) -> PostgresServer:
    """The data of a stopped server, for another one on a port of its own."""
    made = PostgresServer(folder, port=free_port())
    folder.mkdir()
    subprocess.run(["cp", "-a", server.data, made.data], check=True)
    shutil.copystat(server.folder, folder)
    stat = server.folder.stat()
    shutil.chown(folder, stat.st_uid, stat.st_gid)
    with (made.data / "postgresql.conf").open("a") as conf:
        conf.write(f"port = {made.port}\n")
    return made


def follow(standby: PostgresServer, primary: PostgresServer | None) -> None:
    """Start it as a physical standby; without a primary it stays where its copy ended."""
    (standby.data / "standby.signal").touch()
    stat = standby.data.stat()
    shutil.chown(standby.data / "standby.signal", stat.st_uid, stat.st_gid)
    if primary is not None:
        with (standby.data / "postgresql.conf").open("a") as conf:
            conf.write(f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user=postgres'\n")
    standby.start()


def promote(standby: PostgresServer) -> None:
    execute(standby.dsn(), "select pg_promote()")
    wait_until(lambda: execute(standby.dsn(), "select pg_is_in_recovery()") == [(False,)], 20, "it is promoted")


def spec(source: PostgresServer, target_dsn: str) -> StreamSpec:
    return applier_spec(as_fig(source.dsn()), as_fig(target_dsn))


def catch_up(stream: StreamSpec) -> None:
    """Run the stream until everything that is on the source is applied and confirmed, then end it."""
    [(lsn,)] = execute(stream.source_dsn, "select pg_current_wal_insert_lsn()::text")
    running = Running(Stream(stream))
    applied = "select 1 from fig.position where stream = %s and lsn >= %s::pg_lsn"
    confirmed = "select 1 from pg_replication_slots where slot_name = %s and confirmed_flush_lsn >= %s::pg_lsn"
    try:
        wait_until(lambda: execute(stream.target_dsn, applied, stream.name, lsn), 20, "applied")
        wait_until(lambda: execute(stream.source_dsn, confirmed, stream.slot, lsn), 20, "confirmed")
    finally:
        running.end()


def stops_with(stream: StreamSpec, kind: type[BaseException]) -> Any:
    """The stream ends by itself with this error, and has applied nothing."""
    before = execute(stream.target_dsn, ROWS)
    error = Running(Stream(stream)).fails(kind, 20)
    assert execute(stream.target_dsn, ROWS) == before
    return error
