"""A first copy's scene: a source that is written all the time, an empty target, and the copier as a process."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from cdc import install
from cdc.comparing.compare import compare
from cdc.copying import snapshot_progress
from cdc.spec import StreamSpec
from cdc.stream import Stream
from tests.integration.cdc.stream import copier
from tests.integration.cdc.stream.conftest import Running, as_fig, execute, make_side
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

ROWS = 4000
UNIT = 48 * 1024
_INDEXES = """
    select indexrelid::regclass::text, pg_get_indexdef(indexrelid), pg_get_constraintdef(k.oid), indisreplident,
           indisclustered, indimmediate, x.reloptions::text, pg_get_userbyid(x.relowner), obj_description(indexrelid)
    from pg_index i join pg_class x on x.oid = indexrelid
    left join pg_constraint k on conindid = indexrelid and conrelid = indrelid
    where x.relnamespace = 'public'::regnamespace order by 1
"""


def indexes(dsn: str) -> list[tuple[object, ...]]:
    """Everything that makes an index what it is."""
    return execute(dsn, _INDEXES)


@dataclass
class Scene:
    """A source that is written all the time, and an empty target."""

    source: str
    target: str
    log: Path
    rows: int = ROWS
    unit: int = UNIT

    @property
    def spec(self) -> StreamSpec:
        return copier.spec(as_fig(self.source), as_fig(self.target))

    def run(self, *die_at: object) -> int:
        """The copier's exit code."""
        given = {
            "source": self.spec.source_dsn,
            "target": self.spec.target_dsn,
            "unit_bytes": self.unit,
            "die_at": die_at,
        }
        command = [sys.executable, "-m", "tests.integration.cdc.stream.copier", json.dumps(given)]
        with self.log.open("ab") as log:
            return subprocess.run(command, stdout=log, stderr=log, check=False, timeout=120).returncode

    def left(self) -> snapshot_progress.SnapshotProgress:
        with psycopg.connect(self.target) as target:
            [progress] = snapshot_progress.read(target, self.spec.name)
            return progress

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """The stream goes on from where the copy ends; at the end past everything that was written."""
        running = Running(Stream(self.spec))
        try:
            yield
            [(lsn,)] = execute(self.source, "select pg_current_wal_insert_lsn()")
            passed = "select 1 from fig.position where lsn >= %s::pg_lsn"
            wait_until(lambda: execute(self.target, passed, lsn), 30, "the stream has passed")
        finally:
            running.end()

    def assert_equal(self) -> None:
        with psycopg.connect(self.source) as source, psycopg.connect(self.target) as target:
            report = compare(source, target, copier.PROJECTIONS)
        assert list(map(str, report.differences)) == []
        assert report.rows > self.rows


@pytest.fixture
def scene(
    monolith_server: PostgresServer, newest_server: PostgresServer, server_folder: Path,
    new_database: Callable[[PostgresServer], str],
) -> Iterator[Scene]:  # fmt: skip
    made = Scene(new_database(monolith_server), new_database(newest_server), server_folder / "copier.log")
    make_side(monolith_server, made.source, copier.SOURCE_TABLES)
    make_side(newest_server, made.target, copier.TARGET_TABLES)
    execute(made.source, copier.SEED.format(rows=made.rows))
    yield made
    install.remove(made.spec)


@contextmanager
def writing(scene: Scene) -> Iterator[list[int]]:
    stop, written = threading.Event(), [0]
    chance = random.Random(1)

    def write() -> None:
        with psycopg.connect(scene.source, autocommit=True) as connection:
            while not stop.wait(0.003):
                some = chance.randint(10, scene.rows // 4)
                numbers = {"some": some, "pair": 2 * some, "n": chance.randint(1, 1000), "rows": scene.rows}
                for statement in chance.choice(copier.WRITES).format(**numbers).split(";"):
                    connection.execute(statement.encode())
                written[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join()
        assert written[0] > 10
