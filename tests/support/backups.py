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


def standby_of(server: PostgresServer, folder: Path) -> PostgresServer:
    """A physical standby that streams asynchronously, as `fail_over` wants it."""
    standby = PostgresServer(folder, port=free_port())
    folder.mkdir()
    if as_postgres():
        shutil.chown(folder, "postgres", "postgres")
    base_backup(server, standby.data, "--write-recovery-conf")
    with (standby.data / "postgresql.conf").open("a") as conf:
        conf.write(f"port = {standby.port}\n")
    standby.start()
    return standby


def fail_over(primary: PostgresServer, standby: PostgresServer) -> None:
    """The primary dies and never comes back; its standby is promoted and answers under its address."""
    primary.stop(signal.SIGQUIT)
    standby.stop()
    with (standby.data / "postgresql.conf").open("a") as conf:
        conf.write(f"port = {primary.port}\n")
    standby.port = primary.port
    standby.start()
    with psycopg.connect(standby.dsn(), autocommit=True) as admin:
        admin.execute("select pg_promote()")
        wait_until(lambda: admin.execute("select pg_is_in_recovery()").fetchone() == (False,), 20, "it is promoted")
