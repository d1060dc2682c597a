"""Whatever is written and whatever dies, both sides hold the same rows afterwards (I2, I3, I6).

`FIG_SCHEDULES_SEED=n` runs the schedules from seed n on; a failure names the seed of its schedule.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cdc.schedules.scene import Scene, scenes

IN_CI, IN_PROOF = 40, 500
FIRST_SEED = int(os.environ.get("FIG_SCHEDULES_SEED", "1"))


@pytest.fixture(scope="module")
def scene(server_folder: Path) -> Iterator[Scene]:
    with scenes(server_folder) as scene:
        yield scene


@pytest.mark.parametrize("number", range(IN_CI))
def test_the_target_equals_the_source_after_any_schedule_and_any_crashes(scene: Scene, number: int) -> None:
    scene.holds(FIRST_SEED + number, transactions=6, counts=[0, 1, 1, 2])


@pytest.mark.full
@pytest.mark.timeout(7200)
def test_the_target_equals_the_source_after_500_longer_schedules(scene: Scene) -> None:
    first = int(os.environ.get("FIG_SCHEDULES_SEED", time.time_ns() // 10**9))
    print(f"seeds {first} to {first + IN_PROOF - 1}")
    for number in range(IN_PROOF):
        scene.holds(first + number, transactions=25, counts=[1, 2, 3, 5])
