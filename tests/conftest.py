"""Fixtures that every folder of tests shares: real servers, a fresh database for each test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.postgres import PostgresServer

WHOLE_STACKS = ("tests/e2e/", "tests/faults/", "tests/browser/")
_number = itertools.count(1)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder that server users (postgres) can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="fig-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def monolith_server(server_folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL that plays the monolith's side."""
    server = PostgresServer(server_folder / "pg-monolith")
    server.create()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def services_server(server_folder: Path) -> Iterator[PostgresServer]:
    """A second PostgreSQL, which plays the services' side."""
    server = PostgresServer(server_folder / "pg-services")
    server.create()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def new_database() -> Callable[[PostgresServer], str]:
    """`new_database(server)` makes an empty database and returns its DSN (superuser)."""

    def create(server: PostgresServer) -> str:
        return server.create_database(f"test_{next(_number)}")

    return create


class Lanes(LoadScopeScheduling):
    """For `-n 2`: whatever runs a whole local stack takes turns; the rest goes file by file beside it.

    Modules share expensive things, so that a file is never torn apart.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "stack" if file.startswith(WHOLE_STACKS) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes:
    return Lanes(config, log)
