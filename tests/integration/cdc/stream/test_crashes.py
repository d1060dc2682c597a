"""Nothing lost, nothing doubled, whatever dies: the applier anywhere, the target, the source (I2, I3).

The target's table has no key, so that a row applied twice would show; the target flushes late, so that a crash
takes what was only applied.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cdc import install
from cdc.copying import snapshot
from cdc.spec import StreamSpec
from tests.integration.cdc.stream.applier import spec
from tests.integration.cdc.stream.conftest import as_fig, execute, make_side
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

_number = itertools.count(1)
ROWS = "select count(*), count(distinct id), coalesce(sum(id * n), 0)::bigint from entry"
LATE = {"wal_writer_delay": "1000ms", "wal_writer_flush_after": "64MB"}
WRITERS = 3
PER_SECOND = 600


@dataclass
class Scene:
    """Two servers that may be stopped, writers on the source, an applier process that may be killed."""

    source: PostgresServer
    target: PostgresServer
    database: str
    log: Path
    options: dict[str, Any] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    applier: subprocess.Popen[bytes] | None = None
    written: int = 0

    @property
    def spec(self) -> StreamSpec:
        return spec(as_fig(self.source.dsn(self.database)), as_fig(self.target.dsn(self.database)))

    def on_source(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return execute(self.source.dsn(self.database), query, *arguments)

    def on_target(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return execute(self.target.dsn(self.database), query, *arguments)

    def start_applier(self, **options: Any) -> None:
        given = {"source": self.spec.source_dsn, "target": self.spec.target_dsn}
        command = [
            sys.executable,
            "-m",
            "tests.integration.cdc.stream.applier",
            json.dumps({**given, **self.options, **options}),
        ]
        with self.log.open("ab") as log:
            self.applier = subprocess.Popen(command, stdout=log, stderr=log)

    def end_applier(self, how: signal.Signals) -> None:
        if self.applier:
            self.applier.send_signal(how)
            self.applier.wait(20)

    def write(self) -> None:
        """One-row transactions at a steady rate; a source that is away is waited for."""
        pause = WRITERS / PER_SECOND
        due = time.monotonic()
        while not self.stop.is_set():
            try:
                with psycopg.connect(self.source.dsn(self.database), autocommit=True, connect_timeout=2) as connection:
                    while not self.stop.is_set():
                        connection.execute("insert into entry (n) values (1 + (random() * 1000)::int)")
                        self.written += 1
                        due = max(due + pause, time.monotonic() - 0.5)
                        self.stop.wait(max(0.0, due - time.monotonic()))
            except psycopg.OperationalError:
                self.stop.wait(0.05)

    def sums(self) -> tuple[Any, Any]:
        return self.on_target(ROWS)[0], self.on_source(ROWS)[0]

    def settled(self) -> bool:
        """Whether the applier has passed all that the source has now."""
        [(lsn,)] = self.on_source("select pg_current_wal_insert_lsn()")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.applier and self.applier.poll() is None:
            if self.on_target("select 1 from fig.position where lsn >= %s::pg_lsn", lsn):
                return True
            time.sleep(0.05)
        return False


@pytest.fixture(scope="module")
def servers(server_folder: Path) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """Servers of these tests alone; no checkpoint saves what was not flushed."""
    with ExitStack() as running:
        made = []
        for name, settings in (("source", {}), ("target", LATE)):
            # Another module may take these fixtures too.
            folder = Path(tempfile.mkdtemp(prefix=f"pg-crash-{name}-", dir=server_folder))
            server = PostgresServer(folder, settings={**settings, "checkpoint_timeout": "1h"})
            server.create()
            server.start()
            running.callback(server.stop, signal.SIGQUIT)
            made.append(server)
        yield made[0], made[1]


@pytest.fixture
def scene(servers: tuple[PostgresServer, PostgresServer], server_folder: Path) -> Iterator[Scene]:
    source, target = servers
    number = next(_number)
    scene = Scene(source, target, f"entries_{number}", server_folder / f"applier-{number}.log")
    make_side(source, source.create_database(scene.database), "create table entry (id bigserial primary key, n int)")
    make_side(target, target.create_database(scene.database), "create table entry (id bigint, n int)")
    snapshot.copy(scene.spec)
    writers = [threading.Thread(target=scene.write) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield scene
    finally:
        scene.stop.set()
        scene.end_applier(signal.SIGKILL)
        for writer in writers:
            writer.join()
        install.remove(scene.spec)


def restart(server: PostgresServer) -> None:
    server.stop(signal.SIGQUIT)
    server.start()


def end_writing(scene: Scene) -> None:
    scene.stop.set()
    assert scene.settled(), scene.log.read_text()[-3000:]


def test_nothing_is_lost_or_doubled_when_applier_target_and_source_crash_at_random(scene: Scene) -> None:
    chance = random.Random(1)
    ends = time.monotonic() + 15
    crashes = 0
    scene.start_applier()
    while time.monotonic() < ends:
        time.sleep(chance.uniform(0.2, 1.0))  # A crash at any moment is the point.
        match chance.choice(["applier", "applier", "target", "source"]):
            case "applier":
                scene.end_applier(signal.SIGKILL)
                scene.start_applier()
            case "target":
                restart(scene.target)
            case "source":
                restart(scene.source)
        crashes += 1
    end_writing(scene)
    target, source = scene.sums()
    assert target == source, f"after {crashes} crashes and {scene.written} transactions"
    assert crashes >= 5
    assert scene.written > 1000


@pytest.mark.parametrize("checkpoint", ["written", "before commit", "commit sent", "confirmed"])
def test_nothing_is_lost_or_doubled_when_the_applier_dies_at_a_checkpoint(scene: Scene, checkpoint: str) -> None:
    for times in (1, 2, 5):
        scene.start_applier(die_at=[checkpoint, times])
        assert scene.applier is not None
        wait_until(lambda: scene.applier and scene.applier.poll() is not None, 30, f"the applier dies {checkpoint}")
        assert scene.applier.returncode == -signal.SIGKILL, scene.log.read_text()[-2000:]
    scene.start_applier()
    end_writing(scene)
    target, source = scene.sums()
    assert target == source
    assert source[0] > 0


def test_what_a_killed_applier_had_not_seen_flushed_is_not_confirmed_by_the_next_one(scene: Scene) -> None:
    """The next one finds a position that is visible on the target, and perhaps only in its memory."""
    scene.start_applier()
    [(wal_writer,)] = scene.on_target("select pid from pg_stat_activity where backend_type = 'walwriter'")
    os.kill(wal_writer, signal.SIGSTOP)
    [(then,)] = scene.on_source("select pg_current_wal_insert_lsn()")
    position = "select 1 from fig.position where lsn > %s::pg_lsn"
    wait_until(lambda: scene.on_target(position, then), 30, "rows arrive that are not flushed")
    scene.end_applier(signal.SIGKILL)
    [(position_left,)] = scene.on_target("select lsn::text from fig.position")
    scene.start_applier()
    told = "select 1 from pg_stat_replication where write_lsn > %s::pg_lsn and application_name = 'fig-stream entries'"
    wait_until(lambda: scene.on_source(told, position_left), 30, "the next one tells the source how far it is")
    os.kill(wal_writer, signal.SIGKILL)  # Killed while it is frozen: it gets to write nothing more.
    restart(scene.target)
    end_writing(scene)
    target, source = scene.sums()
    assert target == source


def crash_target_with_confirmed_rows_in_memory_only(scene: Scene) -> None:
    """What the naive applier gets wrong: the source is told of rows that the target has not flushed, and never will."""
    [(wal_writer,)] = scene.on_target("select pid from pg_stat_activity where backend_type = 'walwriter'")
    os.kill(wal_writer, signal.SIGSTOP)
    [(then,)] = scene.on_source("select pg_current_wal_insert_lsn()")
    [(before,)] = scene.on_target("select count(*) from entry")
    confirmed = "select 1 from pg_replication_slots where confirmed_flush_lsn > %s::pg_lsn and database = %s"
    wait_until(
        lambda: (
            scene.on_target("select count(*) from entry")[0][0] > before + 100
            and scene.on_source(confirmed, then, scene.database)
        ),
        30,
        "rows arrive and are confirmed",
    )
    # Killed while it is frozen: it gets to write nothing more.
    os.kill(wal_writer, signal.SIGKILL)
    restart(scene.target)


def test_control_confirming_what_is_only_applied_loses_rows(scene: Scene) -> None:
    """The same scene with a deliberately wrong applier: the check above is able to fail."""
    scene.options = {"naive": True, "blind": True}
    scene.start_applier()
    crash_target_with_confirmed_rows_in_memory_only(scene)
    end_writing(scene)
    target, source = scene.sums()
    assert target[0] == target[1], "lost, not doubled"
    assert target[0] < source[0]


def test_a_slot_that_was_confirmed_too_far_is_noticed_before_anything_is_skipped(scene: Scene) -> None:
    scene.options = {"naive": True}
    scene.start_applier()
    crash_target_with_confirmed_rows_in_memory_only(scene)
    wait_until(lambda: scene.applier and scene.applier.poll() is not None, 30, "the applier stops")
    assert "SlotAhead" in scene.log.read_text()
    assert "the target has only" in scene.log.read_text()
