"""Confirmed too early is lost: variants of the applier that do so lose rows where the real one does not (I2).

The smallest such scene, what was applied and not flushed, is in `test_crashes.py`.
"""

from __future__ import annotations

import random
import signal
import time
from typing import Any

import psycopg
import pytest

from tests.integration.cdc.stream import test_crashes as crashes
from tests.integration.cdc.stream.test_crashes import Scene
from tests.support.waiting import wait_until

servers, scene = crashes.servers, crashes.scene

CRASHES = 18
REAL: dict[str, Any] = {}
APPLIED: dict[str, Any] = {"naive": True, "blind": True}
SENT: dict[str, Any] = {"eager": True, "blind": True}


def kill_applier_while_the_target_stands_still(scene: Scene) -> None:
    """Rows are on their way, none of them is committed; the applier has had the time to confirm."""
    scene.start_applier()
    wait_until(lambda: scene.on_target("select 1 from entry"), 30, "rows arrive")
    with psycopg.connect(scene.target.dsn(scene.database)) as blocker:
        blocker.execute("lock table entry in share mode")
        waits = "select 1 from pg_locks where not granted and relation = 'entry'::regclass"
        wait_until(lambda: scene.on_target(waits), 30, "the applier waits")
        [(then,)] = scene.on_source("select clock_timestamp() + interval '0.2 s'")
        told = "select 1 from pg_stat_replication where application_name = 'fig-stream entries' and reply_time > %s"
        wait_until(lambda: scene.on_source(told, then), 30, "the applier tells the source how far it is")
        scene.end_applier(signal.SIGKILL)


@pytest.mark.parametrize(("variant", "loses"), [(REAL, False), (SENT, True)], ids=["the real applier", "the control"])
def test_what_was_only_sent_to_the_target_is_lost_by_who_confirms_it(
    scene: Scene, variant: dict[str, Any], loses: bool
) -> None:
    scene.options = variant
    kill_applier_while_the_target_stands_still(scene)
    scene.start_applier()
    crashes.end_writing(scene)
    target, source = scene.sums()
    assert target[0] == target[1], "nothing is doubled"
    assert (target < source) if loses else (target == source)


@pytest.mark.full
@pytest.mark.parametrize(
    ("variant", "loses"), [(REAL, False), (APPLIED, True), (SENT, True)],
    ids=["the real applier", "confirms what was applied", "confirms what was sent"],
)  # fmt: skip
def test_over_many_crashes_of_applier_and_target_only_who_confirms_too_early_loses_rows(
    scene: Scene, variant: dict[str, Any], loses: bool
) -> None:
    seed = time.time_ns() // 10**9
    print(f"seed {seed}")
    chance = random.Random(seed)
    scene.options = variant
    scene.start_applier()
    for number in range(CRASHES):
        time.sleep(chance.uniform(0.3, 1.5))  # A crash at any moment is the point.
        scene.end_applier(signal.SIGKILL)
        if number % 2:
            crashes.restart(scene.target)
        scene.start_applier()
    crashes.end_writing(scene)
    target, source = scene.sums()
    assert source[0] > 1000
    assert target[0] == target[1], "nothing is doubled"
    assert (target[0] < source[0]) if loses else (target == source), f"seed {seed}"
