"""A first copy to the newest major, killed anywhere under a writer, is resumed and ends equal (I6)."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from cdc import install, snapshot, snapshot_progress
from cdc.spec import StreamSpec
from cdc.stream import Stream
from cdc.stream_errors import SnapshotRunning, SnapshotSuperseded, StreamError
from cdc.verify import compare
from tests.integration.cdc.stream import copier
from tests.integration.cdc.stream.conftest import Running, as_fig, execute, make_side
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

ROWS = 4000
UNIT = 48 * 1024
CHECKPOINTS = (
    "attempt begun",
    "slot created",
    "planned",
    "table copied",
    "pruned",
    "filled",
    "unit compared",
    "snapshot committed",
)
"""In an order in which each one is reached: units are compared where rows are."""


@dataclass
class Scene:
    """A source that is written all the time, and an empty target."""

    source: str
    target: str
    log: Path
    rows: int

    @property
    def spec(self) -> StreamSpec:
        return copier.spec(as_fig(self.source), as_fig(self.target))

    def run(self, *die_at: object) -> int:
        """The copier's exit code."""
        given = {"source": self.spec.source_dsn, "target": self.spec.target_dsn, "unit_bytes": UNIT, "die_at": die_at}
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
    made = Scene(new_database(monolith_server), new_database(newest_server), server_folder / "copier.log", ROWS)
    make_side(monolith_server, made.source, copier.SOURCE_TABLES)
    make_side(newest_server, made.target, copier.TARGET_TABLES)
    execute(made.source, copier.SEED.format(rows=ROWS))
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


def test_killed_at_every_checkpoint_under_a_writer_it_ends_equal(scene: Scene) -> None:
    execute(
        scene.target, "insert into number values (999999, 'stray', ''); insert into token values (gen_random_uuid())"
    )
    with writing(scene) as written:
        for checkpoint in CHECKPOINTS:
            assert scene.run(checkpoint, 3 if checkpoint in ("table copied", "unit compared") else 1) == -signal.SIGKILL
            assert not scene.left().is_running
            complete = checkpoint == "snapshot committed"
            assert scene.left().is_complete == complete
            positions = execute(scene.target, "select count(*) from fig.position")
            assert positions == [(int(complete),)], f"killed {checkpoint}, and a stream may begin"
        assert scene.run() == 0
        with scene.streaming():
            before = written[0]
            wait_until(lambda: written[0] > before + 50, 20, "the writer goes on")
    with scene.streaming():
        pass
    scene.assert_equal()


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_killed_at_random_moments_it_ends_equal(scene: Scene) -> None:
    chance = random.Random(7)
    scene.rows = 25 * ROWS
    execute(scene.source, "truncate number, word, token, several, part, child")
    execute(scene.source, copier.SEED.format(rows=scene.rows))
    given = {"source": scene.spec.source_dsn, "target": scene.spec.target_dsn, "unit_bytes": UNIT}
    command = [sys.executable, "-m", "tests.integration.cdc.stream.copier", json.dumps(given)]
    with writing(scene) as written:
        for _ in range(20):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(chance.uniform(0.5, 5))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)
            else:
                execute(scene.source, "select pg_drop_replication_slot(%s)", scene.spec.slot)  # Once more.
        assert scene.run() == 0
        with scene.streaming():
            before = written[0]
            wait_until(lambda: written[0] > before + 500, 60, "the writer goes on")
    with scene.streaming():
        pass
    scene.assert_equal()


def test_what_was_copied_and_has_not_changed_is_not_copied_again(scene: Scene) -> None:
    assert scene.run("filled", 1) == -signal.SIGKILL
    size = scene.left().bytes
    execute(scene.source, "update number set v = 'changed' where id in (5, 500); delete from token where v = 'none'")
    told: list[snapshot.SnapshotProgress] = []
    snapshot.copy(scene.spec, told.append)
    assert size > 100_000
    assert told[-1].bytes < size / 20
    assert told[-1].rows >= ROWS, "what is there already counts"
    scene.assert_equal()


def test_a_lost_slot_brings_only_what_has_changed(scene: Scene) -> None:
    snapshot.copy(scene.spec)
    execute(scene.source, "select pg_drop_replication_slot(%s)", scene.spec.slot)
    execute(scene.source, "delete from number where id > 0 and id % 100 = 0; insert into word values ('late', 'v')")
    told: list[snapshot.SnapshotProgress] = []
    snapshot.copy(scene.spec, told.append)
    assert told[-1].bytes < 50_000
    scene.assert_equal()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_worker_whose_session_ends_ends_the_copy_by_name_and_the_next_one_completes_it(
    scene: Scene, side: str
) -> None:
    ended: list[int] = []

    def end_one(name: str) -> None:
        if name == "table copied" and not ended:
            ended.append(1)
            execute(
                scene.source if side == "source" else scene.target,
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'fig-snapshot %'"
                " and datname = current_database() and backend_xid is null and state <> 'active'",
            )

    with pytest.raises((StreamError, psycopg.OperationalError)):
        snapshot.copy(scene.spec, checkpoint=end_one, unit_bytes=UNIT)
    snapshot.copy(scene.spec, unit_bytes=UNIT)
    scene.assert_equal()


def test_a_copy_that_lost_the_lock_writes_nothing_after_a_later_one_has_begun(scene: Scene) -> None:
    """A process that only seemed dead: its session with the lock is gone, its workers wake up again."""
    reached, go_on, raised = threading.Event(), threading.Event(), list[BaseException]()

    def stand(name: str) -> None:
        if name == "planned":
            reached.set()
            assert go_on.wait(20)

    def copy() -> None:
        try:
            snapshot.copy(scene.spec, checkpoint=stand)
        except BaseException as error:  # noqa: BLE001  Looked at below.
            raised.append(error)

    first = threading.Thread(target=copy)
    first.start()
    assert reached.wait(20)
    execute(scene.target, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objsubid = 2")
    with pytest.raises(SnapshotRunning):
        snapshot.copy(scene.spec, patience=0.3)
    go_on.set()
    first.join(30)
    assert isinstance(raised[0], SnapshotSuperseded | psycopg.OperationalError | StreamError)
    assert execute(scene.target, "select (select count(*) from number), (select count(*) from fig.position)") == [
        (0, 0)
    ]
    snapshot.copy(scene.spec)
    scene.assert_equal()


def test_a_process_that_stands_still_is_not_taken_for_a_dead_one(scene: Scene) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def stand(name: str) -> None:
        if name == "planned":
            reached.set()
            assert go_on.wait(20)

    first = threading.Thread(target=lambda: snapshot.copy(scene.spec, checkpoint=stand))
    first.start()
    assert reached.wait(20)
    assert scene.left().is_running
    with pytest.raises(SnapshotRunning, match="another process copies"):
        snapshot.copy(scene.spec, patience=0.2)
    go_on.set()
    first.join(30)
    scene.assert_equal()
