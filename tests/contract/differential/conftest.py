"""Both sides of a domain as real processes on real databases, and the same people on both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.differential.explore import Pair
from tests.contract.differential.pairs import catalog_pair, users_pair
from tests.support.postgres import PostgresServer


@pytest.fixture(scope="package")
def catalog(
    monolith_server: PostgresServer, services_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    with catalog_pair(monolith_server, services_server, tmp_path_factory.mktemp("catalog")) as (pair, _):
        yield pair


@pytest.fixture(scope="package")
def users(
    monolith_server: PostgresServer, services_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    with users_pair(monolith_server, services_server, tmp_path_factory.mktemp("users")) as (pair, _):
        yield pair
