"""Fixtures with the awkward monolith's and its new service's databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.awkward.databases import Databases, create
from tests.support.postgres import PostgresServer


@pytest.fixture
def awkward(
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    new_database: Callable[[PostgresServer], str],
) -> Databases:
    return create(new_database(monolith_server), monolith_server, new_database(services_server), services_server)
