"""Both sides of a domain as real processes on real databases, and the same people on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.differential.explore import Pair
from tests.contract.differential.pairs.catalog import catalog_pair
from tests.contract.differential.pairs.notifications import notifications_pair
from tests.contract.differential.pairs.payments import payments_pair
from tests.contract.differential.pairs.users import users_pair
from tests.support.postgres import PostgresServer


@pytest.fixture(scope="module")
def catalog(
    monolith_server: PostgresServer, services_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    with catalog_pair(monolith_server, services_server, tmp_path_factory.mktemp("catalog")) as (pair, _):
        yield pair


@pytest.fixture(scope="module")
def users(
    monolith_server: PostgresServer, services_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    with users_pair(monolith_server, services_server, tmp_path_factory.mktemp("users")) as (pair, _):
        yield pair


@pytest.fixture(scope="module")
def payments(
    monolith_server: PostgresServer, services_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    with payments_pair(monolith_server, services_server, tmp_path_factory.mktemp("payments")) as (pair, _):
        yield pair


@pytest.fixture(scope="module")
def notifications(
    monolith_server: PostgresServer, services_server: PostgresServer, server_folder: Path
) -> Iterator[Pair]:
    with notifications_pair(monolith_server, services_server, server_folder) as (pair, _):
        yield pair
