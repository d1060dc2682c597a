"""Backups of throw-away servers and what comes of them: restored in place, or as a standby that is promoted."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from tests.support.postgres import PostgresServer, as_postgres, free_port, postgres_programs
from tests.support.waiting import wait_until


def base_backup(server: PostgresServer, folder: Path, *more: str) -> Path:
    """pg_basebackup of the whole server, as a nightly job takes it: without replication slots."""
    folder.mkdir(mode=0o700)
    if as_postgres():
        shutil.chown(folder, "postgres", "postgres")
    subprocess.run(
        [postgres_programs(server.major) / "pg_basebackup", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres",
         "-D", folder, "--checkpoint=fast", "--no-sync", *more],
        check=True, cwd="/", **as_postgres(),  # type: ignore[call-overload]
    )  # fmt: skip
    return folder


def restore(server: PostgresServer, backup: Path) -> None:
    """The server dies, and what starts again under its address has the backup's state."""
    server.stop(signal.SIGQUIT)
    shutil.rmtree(server.data)
    subprocess.run(["cp", "-a", backup, server.data], check=True)
    server.start()


def standby_of(server: PostgresServer) -> PostgresServer:
    """A physical standby that streams asynchronously, running; for `fail_over`."""
    standby = PostgresServer(server.folder.parent / f"standby-{free_port()}")
    standby.folder.mkdir()
    if as_postgres():
        shutil.chown(standby.folder, "postgres", "postgres")
    base_backup(server, standby.data, "--write-recovery-conf")
    with (standby.data / "postgresql.conf").open("a") as conf:
        conf.write(f"port = {standby.port}\n")
    standby.start()
    return standby


def wait_for_standby(server: PostgresServer, standby: PostgresServer) -> None:
    """It has replayed everything that there is."""
    with (
        psycopg.connect(server.dsn(), autocommit=True) as primary,
        psycopg.connect(standby.dsn(), autocommit=True) as it,
    ):
        row = primary.execute("select pg_current_wal_insert_lsn()").fetchone()
        assert row is not None
        wait_until(
            lambda: it.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", row).fetchone() == (True,), 20,
            "the standby has everything",
        )  # fmt: skip


def fail_over(server: PostgresServer, standby: PostgresServer) -> None:
    """The primary dies and never comes back; the standby answers under its address, promoted. `server` is it now."""
    server.stop(signal.SIGQUIT)
    standby.stop()
    with (standby.data / "postgresql.conf").open("a") as conf:
        conf.write(f"port = {server.port}\n")
    server.folder = standby.folder
    server.start()
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("select pg_promote()")
        wait_until(lambda: admin.execute("select pg_is_in_recovery()").fetchone() == (False,), 20, "it is promoted")
