"""Nothing lost, nothing doubled on the way through Kafka, whatever dies: publisher, applier, target, source, broker.

The target's table has no key, so that a row applied twice would show; the target flushes late, so that a crash takes
what was only applied (I2, I3).
"""

from __future__ import annotations

import itertools
import json
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
from cdc.kafka import topics
from cdc.spec import StreamSpec
from tests.integration.cdc.kafka.process import spec
from tests.integration.cdc.stream.conftest import as_fig, execute, make_side
from tests.integration.cdc.stream.test_crashes import LATE, PER_SECOND, ROWS, WRITERS, restart
from tests.support.kafka import KafkaCluster
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

PATIENCE = 240
"""Seconds for whatever comes back after a crash: a busy machine is no failure."""

_number = itertools.count(1)


@dataclass
class Scene:
    """Two servers and a cluster that may be stopped, writers on the source, two processes that may be killed."""

    source: PostgresServer
    target: PostgresServer
    kafka: KafkaCluster
    database: str
    log: Path
    stop: threading.Event = field(default_factory=threading.Event)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    written: int = 0

    @property
    def given(self) -> dict[str, Any]:
        return {
            "source": as_fig(self.source.dsn(self.database)), "target": as_fig(self.target.dsn(self.database)),
            "bootstrap": self.kafka.bootstrap, "prefix": self.database, "replicas": min(3, self.kafka.count),
        }  # fmt: skip

    @property
    def spec(self) -> StreamSpec:
        return spec(**self.given)

    def on_source(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return execute(self.source.dsn(self.database), query, *arguments)

    def on_target(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return execute(self.target.dsn(self.database), query, *arguments)

    def start(self, *roles: str, **options: Any) -> None:
        for role in roles:
            command = [sys.executable, "-m", "tests.integration.cdc.kafka.process", role]
            with self.log.open("ab") as log:
                given = json.dumps({**self.given, **options})
                self.processes[role] = subprocess.Popen([*command, given], stdout=log, stderr=log)

    def end(self, how: signal.Signals, *roles: str) -> None:
        for role in roles or tuple(self.processes):
            process = self.processes.pop(role)
            process.send_signal(how)
            process.wait(20)

    def write(self) -> None:
        """One-row transactions at a steady rate; a source that is away is waited for."""
        pause, due = WRITERS / PER_SECOND, time.monotonic()
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

    def settled(self, seconds: float = PATIENCE) -> bool:
        """Whether the applier has passed all that the source has now."""
        [(lsn,)] = self.on_source("select pg_current_wal_insert_lsn()")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and all(process.poll() is None for process in self.processes.values()):
            if self.on_target("select 1 from fig.position where lsn >= %s::pg_lsn", lsn):
                return True
            time.sleep(0.05)
        return False

    def end_writing(self) -> None:
        self.stop.set()
        assert self.settled(), self.log.read_text()[-3000:]

    def died(self, role: str) -> None:
        process = self.processes[role]
        wait_until(lambda: process.poll() is not None, 30, f"the {role} dies")
        assert process.returncode == -signal.SIGKILL, self.log.read_text()[-2000:]


@pytest.fixture(scope="module")
def servers(server_folder: Path) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """Servers of these tests alone; no checkpoint saves what was not flushed."""
    with ExitStack() as running:
        made = []
        for name, settings in (("source", {}), ("target", LATE)):
            # Another module may take these fixtures too.
            folder = Path(tempfile.mkdtemp(prefix=f"pg-kafka-{name}-", dir=server_folder))
            server = PostgresServer(folder, settings={**settings, "checkpoint_timeout": "1h"})
            server.create()
            server.start()
            running.callback(server.stop, signal.SIGQUIT)
            made.append(server)
        yield made[0], made[1]


def scenes(servers: tuple[PostgresServer, PostgresServer], kafka: KafkaCluster, folder: Path) -> Iterator[Scene]:
    source, target = servers
    number = next(_number)
    scene = Scene(source, target, kafka, f"carried_{number}", folder / f"carried-{number}.log")
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
        scene.end(signal.SIGKILL)
        for writer in writers:
            writer.join()
        install.remove(scene.spec)


@pytest.fixture
def scene(servers: tuple[PostgresServer, PostgresServer], kafka: KafkaCluster, server_folder: Path) -> Iterator[Scene]:
    yield from scenes(servers, kafka, server_folder)


def crash_at_random(scene: Scene, crashes: int, kinds: list[str], chance: random.Random) -> None:
    """So many, one after the other, however long this machine takes for one."""
    for _ in range(crashes):
        time.sleep(chance.uniform(0.2, 1.0))  # A crash at any moment is the point.
        kind = chance.choice(kinds)
        if kind in ("publisher", "applier"):
            scene.end(signal.SIGKILL, kind)
            scene.start(kind)
        elif kind == "broker":
            node = chance.choice(scene.kafka.nodes)
            node.end(signal.SIGKILL)
            time.sleep(chance.uniform(0.0, 2.0))
            scene.kafka.start(PATIENCE)
        else:
            restart(scene.target if kind == "target" else scene.source)


def test_nothing_is_lost_or_doubled_when_publisher_applier_target_and_source_crash_at_random(scene: Scene) -> None:
    scene.start("publisher", "applier")
    kinds = ["publisher", "publisher", "applier", "target", "source"]
    crash_at_random(scene, 8, kinds, random.Random(2))
    scene.end_writing()
    target, source = scene.sums()
    assert target == source, f"after {scene.written} transactions"
    assert scene.written > 500


@pytest.mark.parametrize(
    ("role", "checkpoint"),
    [
        pytest.param("publisher", "sent", marks=pytest.mark.full),
        ("publisher", "acknowledged"),
        pytest.param("publisher", "confirmed", marks=pytest.mark.full),
        pytest.param("applier", "written", marks=pytest.mark.full),
        pytest.param("applier", "before commit", marks=pytest.mark.full),
        ("applier", "commit sent"),
    ],
)
def test_nothing_is_lost_or_doubled_when_one_dies_at_a_checkpoint(scene: Scene, role: str, checkpoint: str) -> None:
    other = "applier" if role == "publisher" else "publisher"
    scene.start(other)
    for times in (2, 7):
        scene.start(role, die_at=[checkpoint, times])
        scene.died(role)
    scene.start(role)
    scene.end_writing()
    target, source = scene.sums()
    assert target == source
    assert source[0] > 0


def test_the_slot_stays_where_kafka_is_while_the_broker_is_away_and_all_arrives_afterwards(
    scene: Scene,
) -> None:
    scene.start("publisher", "applier")
    wait_until(lambda: scene.on_target("select 1 from entry limit 1"), 30, "rows arrive")
    [broker] = scene.kafka.nodes
    broker.end(signal.SIGKILL)
    try:
        written = scene.written
        wait_until(lambda: scene.written > written + 500, 30, "the source goes on")
    finally:
        scene.kafka.start(PATIENCE)
    scene.end_writing()
    target, source = scene.sums()
    assert target == source


@pytest.mark.full
def test_control_confirming_what_is_only_sent_loses_rows_and_the_reader_notices(scene: Scene) -> None:
    """The same scene with a deliberately wrong publisher: the check above is able to fail."""
    scene.start("applier")
    scene.start("publisher", naive=True)
    wait_until(lambda: scene.on_target("select 1 from entry limit 1"), 30, "rows arrive")
    [broker] = scene.kafka.nodes
    broker.freeze()
    try:
        [(then,)] = scene.on_source("select pg_current_wal_insert_lsn()")
        confirmed = "select 1 from pg_replication_slots where confirmed_flush_lsn > %s::pg_lsn and database = %s"
        wait_until(lambda: scene.on_source(confirmed, then, scene.database), 30, "what Kafka lacks is confirmed")
        scene.end(signal.SIGKILL, "publisher")
        broker.end(signal.SIGKILL)
    finally:
        scene.kafka.start(PATIENCE)
    scene.start("publisher")
    wait_until(lambda: scene.processes["applier"].poll() is not None, 30, "the applier stops")
    assert "TopicLost" in scene.log.read_text()
    assert "the target has only" in scene.log.read_text()
    scene.stop.set()
    target, source = scene.sums()
    assert target[0] < source[0]


def test_a_topic_that_was_deleted_and_made_again_is_noticed(scene: Scene) -> None:
    scene.start("publisher", "applier")
    wait_until(lambda: scene.on_target("select 1 from fig.topic_place"), 30, "the place is kept")
    scene.end(signal.SIGTERM)
    assert scene.spec.kafka is not None
    topics.remove(scene.spec.kafka, scene.spec.kafka.topic)
    scene.start("publisher", "applier")
    wait_until(lambda: scene.processes["applier"].poll() is not None, 30, "the applier stops")
    assert "it was deleted and made again" in scene.log.read_text()
