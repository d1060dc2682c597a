"""A first copy to the newest major, killed anywhere under a writer, is resumed and ends equal (I6)."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading

import psycopg
import pytest

from cdc.copying import snapshot
from cdc.copying.errors import SnapshotRunning, SnapshotSuperseded
from cdc.stream_errors import StreamError
from tests.integration.cdc.stream import copier
from tests.integration.cdc.stream.conftest import execute
from tests.integration.cdc.stream.scene import ROWS, UNIT, Scene, indexes, scene, writing
from tests.support.waiting import wait_until

__all__ = ["scene"]

CHECKPOINTS = (
    "attempt begun",
    "slot created",
    "planned",
    "pruned",
    "indexes taken",
    "table copied",
    "filled",
    "indexes back",
    "unit compared",
    "snapshot committed",
)
"""In an order in which each one is reached: units are compared where rows are."""


def test_killed_at_every_checkpoint_under_a_writer_it_ends_equal(scene: Scene) -> None:
    execute(
        scene.target, "insert into number values (999999, 'stray', ''); insert into token values (gen_random_uuid())"
    )
    before_any = indexes(scene.target)
    with writing(scene) as written:
        for checkpoint in CHECKPOINTS:
            assert scene.run(checkpoint, 3 if checkpoint in ("table copied", "unit compared") else 1) == -signal.SIGKILL
            assert not scene.left().is_running
            complete = checkpoint == "snapshot committed"
            assert scene.left().is_complete == complete
            positions = execute(scene.target, "select count(*) from fig.position")
            assert positions == [(int(complete),)], f"killed {checkpoint}, and a stream may begin"
        assert scene.run() == 0
        assert indexes(scene.target) == before_any
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
    before_any = indexes(scene.target)
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
        assert indexes(scene.target) == before_any
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
