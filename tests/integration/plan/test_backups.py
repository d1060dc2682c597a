"""Backups take hours and nobody plans a switch around them: a domain moves there and back while two of them run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from migration_plan.lifecycle import Stage
from tests.integration.plan.conftest import World
from tests.support.postgres import PostgresServer, as_postgres, postgres_programs
from tests.support.waiting import wait_until

# More than a pipe and two sockets hold: whoever reads nothing of it keeps the backup at work.
BALLAST = """
    create table ballast as select repeat(md5(n::text), 40) as text from generate_series(1, 20000) n
"""


@contextmanager
def under_way(command: list[str | Path], has_begun: str, dsn: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command writes to a pipe that nobody reads, from when `has_begun` finds it at work."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd="/", **as_postgres())  # type: ignore[call-overload]
    try:
        with psycopg.connect(dsn, autocommit=True) as looking:
            wait_until(lambda: looking.execute(has_begun.encode()).fetchone(), 30, f"{command[0]} is at work")
        yield process
    finally:
        process.kill()
        process.communicate()


def dump(dsn: str, server: PostgresServer) -> list[str | Path]:
    return [postgres_programs(server.major) / "pg_dump", "--format=plain", dsn]


def base_backup(server: PostgresServer) -> list[str | Path]:
    program = postgres_programs(server.major) / "pg_basebackup"
    options = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-D", "-", "--format=tar"]
    return [program, *options, "--wal-method=none", "--checkpoint=fast"]


DUMPS = """
    select 1 from pg_locks l join pg_stat_activity a using (pid)
    where a.application_name = 'pg_dump' and a.query like 'COPY%' and l.relation = 'parcel'::regclass
      and l.mode = 'AccessShareLock' and l.granted
"""
BACKS_UP = "select 1 from pg_stat_progress_basebackup where phase = 'streaming database files'"


def test_a_domain_moves_there_and_back_while_dumps_and_base_backups_of_both_sides_run(
    world: World, monolith_server: PostgresServer, services_server: PostgresServer
) -> None:
    world.bring_to(Stage.SYNC)
    with ExitStack() as running:
        taken = []
        for side, server in (("monolith", monolith_server), ("service", services_server)):
            dsn = world.dsns[side]
            with psycopg.connect(dsn, autocommit=True) as admin:
                admin.execute(BALLAST)
            taken.append(running.enter_context(under_way(dump(dsn, server), DUMPS, dsn)))
            taken.append(running.enter_context(under_way(base_backup(server), BACKS_UP, dsn)))
        world.bring_to(Stage.SERVICE)
        world.verify()
        world.bring_to(Stage.SYNC)
        assert [one.poll() for one in taken] == [None] * 4, "all of them go on"
    world.verify()
