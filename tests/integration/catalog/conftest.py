"""The catalog service and what it needs, as real processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.catalog.databases import CatalogDatabase, create_catalog_database
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import CATALOG, NO_BROKER, ServiceProcess
from tests.support.clients import Client
from tests.support.postgres import PostgresServer

_number = itertools.count(1)

Starter = Callable[..., ServiceProcess]


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="session")
def public_key_file(server_folder: Path, issuer: Issuer) -> Path:
    return issuer.write_to(server_folder)[1]


@pytest.fixture
def catalog_database(services_server: PostgresServer) -> CatalogDatabase:
    return create_catalog_database(services_server, f"catalog_{next(_number)}")


@pytest.fixture
def start_service(catalog_database: CatalogDatabase, public_key_file: Path, tmp_path: Path) -> Iterator[Starter]:
    """`start_service()` starts a catalog process on this test's database; keywords change its environment."""
    started: list[ServiceProcess] = []

    def start(service: str = CATALOG, options: tuple[str, ...] = (), **environment: str) -> ServiceProcess:
        usual = {
            "CATALOG_DATABASE_URL": catalog_database.url(),
            "IDENTITY_PUBLIC_KEY_FILE": str(public_key_file),
            "AMQP_URL": NO_BROKER,
        }
        log = tmp_path / f"service-{len(started)}.log"
        process = ServiceProcess({**usual, **environment}, log, service, options=options)
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def service(start_service: Starter) -> ServiceProcess:
    return start_service()


@pytest.fixture
def seller(service: ServiceProcess, issuer: Issuer) -> Client:
    """A client that the proxy has found to be seller 7."""
    return service.client(**{"X-Identity": issuer.token(7)})
