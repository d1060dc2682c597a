"""Servers that a test may restore or fail over, with the journal on a third one; and a controller that looks."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from migration_plan import bootstrap
from migration_plan.recovering.controller import Controller
from tests.integration.cdc.stream.conftest import execute
from tests.integration.plan.conftest import World, made, world
from tests.support import places
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

__all__ = ["made", "world"]

ROWS = "select id, place from parcel order by id"


def _server(name: str) -> Iterator[PostgresServer]:
    folder = places.server_folder(f"fig-restore-{name}-")
    server = PostgresServer(folder / "pg")
    server.create()
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def monolith_server() -> Iterator[PostgresServer]:
    yield from _server("monolith")


@pytest.fixture(scope="module")
def services_server() -> Iterator[PostgresServer]:
    yield from _server("service")


@pytest.fixture(scope="module")
def journal_server() -> Iterator[PostgresServer]:
    yield from _server("journal")


@pytest.fixture
def backups() -> Iterator[Path]:
    """A folder that the servers' user may write to."""
    folder = places.server_folder("fig-backups-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def controller(world: World) -> Iterator[None]:
    """The daemon, as long as the block runs."""
    domains, stop = bootstrap.all_parts(world.environment), threading.Event()
    thread = threading.Thread(target=Controller(domains).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        for parts in domains:
            parts.close()


def state(world: World, side: str) -> str:
    [(found,)] = execute(world.dsns[side], "select state || ' ' || epoch from fig.domain where domain = 'parcels'")
    return str(found)


def write(world: World, side: str, *ids: int) -> None:
    for number in ids:
        execute(world.dsns[side], "insert into parcel values (%s, %s)", number, f"place {number}")


def refuses_writes(world: World, side: str) -> bool:
    """Whether the fence is up; what is tried is rolled back."""
    with psycopg.connect(world.dsns[side]) as connection:
        try:
            connection.execute("insert into parcel values (1000000, 'x')")
        except psycopg.Error as error:
            return error.sqlstate == "SF421"
        finally:
            connection.rollback()
    return False


def alarms(world: World) -> list[str]:
    """What the journal was told to ring for, oldest first."""
    query = "select detail ->> 'case' from fig.journal where domain = 'parcels' and kind = 'alarm' order by id"
    return [case for (case,) in execute(world.dsns["journal"], query)]


def wait_until_same(world: World, seconds: float = 30) -> None:
    """Both sides have the same rows."""
    both: Callable[[], bool] = lambda: (  # noqa: E731
        execute(world.dsns["monolith"], ROWS) == execute(world.dsns["service"], ROWS)
    )
    wait_until(both, seconds, "both sides have the same rows", every=0.1)


def stream_states(world: World) -> dict[str, str]:
    """Direction -> state, as `fig sync status` says."""
    return {one["direction"]: one["state"] for one in world.json("sync", "status", "parcels")["streams"]}


def wait_until_streaming(world: World, seconds: float = 30) -> None:
    """Every stream runs again."""
    wait_until(lambda: world.json("sync", "status", "parcels")["well"], seconds, "both streams run", every=0.3)
