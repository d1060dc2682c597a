"""Servers for measurements: as PostgreSQL's documentation advises for loads of this kind, all of them alike."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.support.postgres import PostgresServer, postgres_programs

# Chapter 14.4 (populating a database): room for checkpoints, memory for index builds; 20.4: shared buffers.
SETTINGS = {
    "shared_buffers": "'1GB'", "max_wal_size": "'8GB'", "checkpoint_timeout": "'30min'",
    "maintenance_work_mem": "'512MB'", "wal_compression": "off", "autovacuum": "off",
}  # fmt: skip
PROGRAMS = postgres_programs()


@contextmanager
def servers(count: int, say: Callable[[str], None], **more: str) -> Iterator[list[PostgresServer]]:
    """Running servers in a folder that goes away with them."""
    folder = Path(tempfile.mkdtemp(prefix="fig-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    settings = {**SETTINGS, **more}
    with ExitStack() as running:
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        made = []
        for number in range(count):
            server = PostgresServer(folder / f"pg{number}", settings=settings)
            server.create()
            server.start()
            running.callback(server.stop)
            made.append(server)
        with psycopg.connect(made[0].dsn()) as connection:
            version = connection.info.parameter_status("server_version")
        say(f"PostgreSQL {version}, fsync on, " + ", ".join(f"{k} {v}".replace("'", "") for k, v in settings.items()))
        yield made


def run(dsn: str, *statements: str) -> list[tuple[Any, ...]]:
    """The statements one by one, each in a transaction of its own; the last one's rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def drop_slot(dsn: str, name: str) -> None:
    """A slot that its walsender lets go of only now is waited for."""
    from tests.support.waiting import wait_until

    def is_gone() -> bool:
        try:
            run(dsn, f"select pg_drop_replication_slot('{name}')")
        except psycopg.errors.ObjectInUse:
            return False
        return True

    wait_until(is_gone, 20, f"slot {name} can be dropped")


def identifier(name: str) -> str:
    return sql.Identifier(name).as_string(None)
