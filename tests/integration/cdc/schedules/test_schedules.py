"""Whatever is written and whatever dies, both sides hold the same rows afterwards (I2, I3, I6).

`FIG_SCHEDULES_SEED=n` runs the schedules from seed n on; a failure names the seed of its schedule.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.cdc.schedules.appliers import Appliers
from tests.integration.cdc.schedules.schedule import made
from tests.integration.cdc.schedules.world import World
from tests.support.postgres import PostgresServer

IN_CI, IN_PROOF = 40, 500
FIRST_SEED = int(os.environ.get("FIG_SCHEDULES_SEED", "1"))
# The target flushes late, so that a crash takes what was only applied. A crash here is the server's, not the machine's.
SETTINGS = {"fsync": "off", "checkpoint_timeout": "1h", "wal_writer_flush_after": "64MB"}

_number = itertools.count(1)


class Scene:
    """Two servers and the appliers' parent, for all schedules."""

    def __init__(self, source: PostgresServer, target: PostgresServer, appliers: Appliers, folder: Path) -> None:
        self.source, self.target, self.appliers, self.folder = source, target, appliers, folder

    def holds(self, seed: int, transactions: int, faults: list[int]) -> None:
        schedule = made(seed, transactions, faults)
        world = World(self.source, self.target, self.appliers, schedule, next(_number), self.folder)
        with world:
            world.run()
            world.settle()
            world.check()
            assert sum(writer.committed for writer in world.writers) > 0


@pytest.fixture(scope="module")
def scene(server_folder: Path) -> Iterator[Scene]:
    with ExitStack() as running:
        servers = []
        for name in ("source", "target"):
            server = PostgresServer(server_folder / f"pg-schedule-{name}", settings=SETTINGS)
            server.create()
            server.start()
            running.callback(server.stop)
            servers.append(server)
        appliers = running.enter_context(Appliers())
        yield Scene(servers[0], servers[1], appliers, server_folder)


@pytest.mark.parametrize("number", range(IN_CI))
def test_the_target_equals_the_source_after_any_schedule_and_any_crashes(scene: Scene, number: int) -> None:
    scene.holds(FIRST_SEED + number, transactions=6, faults=[0, 1, 1, 2])


@pytest.mark.full
@pytest.mark.timeout(7200)
def test_the_target_equals_the_source_after_500_longer_schedules(scene: Scene) -> None:
    first = int(os.environ.get("FIG_SCHEDULES_SEED", time.time_ns() // 10**9))
    print(f"seeds {first} to {first + IN_PROOF - 1}")
    for number in range(IN_PROOF):
        scene.holds(first + number, transactions=25, faults=[1, 2, 3, 5])
