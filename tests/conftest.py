"""Fixtures that every folder of tests shares: real servers, a fresh database for each test."""

from __future__ import annotations

import itertools
import signal
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.support import places
from tests.support.postgres import NEWEST, PostgresServer
from tests.support.stack import CATALOG_ONLY, Stack, evidence_folder, running_stack

if TYPE_CHECKING:
    from tests.support.collector import Collector

_number = itertools.count(1)


# A server that nobody will start again need not write hundreds of databases to disk.
THROWN_AWAY = signal.SIGQUIT


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder that server users (postgres) can reach, unlike pytest's own."""
    folder = places.server_folder("fig-test-")
    yield folder
    # Hundreds of databases: some 100,000 files.
    subprocess.run(["rm", "-rf", folder], check=False)


@pytest.fixture(scope="session")
def monolith_server(server_folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL that plays the monolith's side."""
    server = PostgresServer(server_folder / "pg-monolith")
    server.create()
    server.start()
    yield server
    server.stop(THROWN_AWAY)


@pytest.fixture(scope="session")
def services_server(server_folder: Path) -> Iterator[PostgresServer]:
    """A second PostgreSQL, which plays the services' side."""
    server = PostgresServer(server_folder / "pg-services")
    server.create()
    server.start()
    yield server
    server.stop(THROWN_AWAY)


@pytest.fixture(scope="session")
def newest_server(server_folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL of the newest major; it plays either side."""
    server = PostgresServer(server_folder / "pg-newest", major=NEWEST)
    server.create()
    server.start()
    yield server
    server.stop(THROWN_AWAY)


@pytest.fixture
def new_database() -> Callable[[PostgresServer], str]:
    """`new_database(server)` makes an empty database and returns its DSN (superuser)."""

    def create(server: PostgresServer) -> str:
        return server.create_database(f"test_{next(_number)}")

    return create


@pytest.fixture(scope="session")
def spine() -> Iterator[Stack]:
    """The local stack with the catalog alone to be moved, in a shop that asks no money."""
    yield from running_stack(None, *CATALOG_ONLY)


@pytest.fixture(scope="session")
def spans() -> Iterator[Collector]:
    """What the whole shop hands to a collector."""
    from tests.support.collector import collecting

    with collecting() as collector:
        yield collector


@pytest.fixture(scope="session")
def whole_shop(spans: Collector) -> Iterator[Stack]:
    """The local stack with all four services and all doubles, in a shop that takes money and has few rows."""
    size = {"SHOP_MONEY": "on", "SHOP_USERS": "20", "SHOP_PRODUCTS": "60", "SHOP_ORDERS": "40"}
    yield from running_stack({**size, "OTEL_EXPORTER_OTLP_ENDPOINT": spans.url})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A red test of a whole stack keeps what the stack said."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        folder = evidence_folder(item.nodeid)
        stack.collect(folder)
        report.sections.append(("evidence", f"logs and rendered configuration: {folder}"))
    return report


# What these start is shared by a folder: two sides of a domain, a broker with Kafka Connect.
STARTED_ONCE = ("tests/contract/", "tests/integration/cdc/debezium/")


class ByStart(LoadFileScheduling):
    """A file's tests in one worker, or a folder's."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return file.rpartition("/")[0] if file.startswith(STARTED_ONCE) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByStart:
    return ByStart(config, log)
