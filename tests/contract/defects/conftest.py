"""Services that can be spoilt, each next to the monolith."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.differential.explore import Pair
from tests.contract.differential.pairs import catalog_pair, users_pair
from tests.integration.catalog.processes import ServiceProcess
from tests.support.postgres import PostgresServer

RUNNER = "tests.contract.defects"


@pytest.fixture(scope="module")
def catalog(
    monolith_server: PostgresServer, services_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pair, ServiceProcess]]:
    with catalog_pair(monolith_server, services_server, tmp_path_factory.mktemp("defects"), RUNNER) as both:
        yield both


@pytest.fixture(scope="module")
def users(
    monolith_server: PostgresServer, services_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pair, ServiceProcess]]:
    with users_pair(monolith_server, services_server, tmp_path_factory.mktemp("defects"), RUNNER) as both:
        yield both
