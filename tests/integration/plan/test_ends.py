"""SIGTERM: each of our daemons ends soon and well, with no child left, and gives back what it holds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import psycopg
import pytest

from migration_plan import bootstrap
from migration_plan.lifecycle import Side, Stage
from tests.integration.plan.conftest import World
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

PROJECT = Path(__file__).parents[3]
SECONDS = 20
PLACE = f"127.0.0.1:{free_port()}"
SLOTS = "select active from pg_replication_slots where database = current_database() and slot_name like 'fig_parcels%'"
SESSIONS = "select application_name from pg_stat_activity where application_name like 'fig%' and datname like 'plan_%'"


def streaming(world: World) -> bool:
    return slots(world) == [True, True]


def recovering(world: World) -> bool:
    """It has had the lease."""
    with closing(bootstrap.build("parcels", world.environment).parts) as parts:
        return parts.journal.open_intent("parcels") is None


def listening(world: World) -> bool:
    return (world.settings.parent / "nginx" / "shadow.sock").exists()


def serving(world: World) -> bool:
    try:
        return httpx.get(f"http://{PLACE}/", trust_env=False).status_code < 500
    except httpx.TransportError:
        return False


AT_WORK: dict[str, Callable[[World], bool]] = {
    "streams": streaming, "controller": recovering, "shadow run": listening, "console run": serving,
}  # fmt: skip


def slots(world: World) -> list[bool]:
    """Whether each of the streams' slots has a reader."""
    return [active for side in ("monolith", "service") for (active,) in asked(world.dsns[side], SLOTS)]


def sessions(world: World) -> list[str]:
    return [name for server in ("monolith", "service") for (name,) in asked(world.dsns[server], SESSIONS)]


def asked(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.fixture
def quiet(world: World):
    """The domain in sync; its streams are nobody's but the test's, and a switch of somebody who died is open."""
    world.bring_to(Stage.SYNC)
    world.streams.end()
    with closing(bootstrap.build("parcels", world.environment).parts) as parts:
        row = parts.sides[Side.MONOLITH].row("parcels")
        assert row is not None
        parts.journal.record("parcels", "intent", row.epoch + 1, uuid4(), giver=Side.MONOLITH, taker=Side.SERVICE,
                             owner_epoch=row.epoch)  # fmt: skip
    wait_until(lambda: sessions(world) == [], SECONDS, "nobody of ours is connected")
    yield world
    with world.mover() as mover:
        mover.resume()
    world.streams.start()


@pytest.mark.parametrize("command", AT_WORK)
def test_told_to_end_a_daemon_ends_well_and_holds_nothing_any_more(quiet: World, command: str, tmp_path: Path) -> None:
    said = tmp_path / "said"
    environment = {**quiet.environment, "FIG_STATE": str(tmp_path), "FIG_CONSOLE_KEY": "a key of this test",
                   "FIG_CONSOLE_URL": f"http://{PLACE}", "FIG_CONSOLE_BIND": PLACE}  # fmt: skip
    with said.open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("fig"), *command.split()], cwd=PROJECT, env={**os.environ, **environment},
            stdout=log, stderr=log,
        )  # fmt: skip
    family = []
    try:
        wait_until(lambda: process.poll() is not None or AT_WORK[command](quiet), 60, f"fig {command} is at work")
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        code = process.wait(SECONDS)
    finally:
        process.kill()
        _, left = psutil.wait_procs(family, timeout=1)
        for one in left:
            one.kill()
    told = said.read_text(encoding="utf-8")
    assert code == 0, told
    assert left == []
    assert [word for word in ("Traceback", "Exception", "Fatal Python", "Warning:") if word in told] == [], told
    wait_until(lambda: sessions(quiet) == [], SECONDS, "none of its sessions is left")
    assert slots(quiet) == [False, False]
    assert asked(quiet.dsns["journal"], "select 1 from fig.lease where until > clock_timestamp()") == []
