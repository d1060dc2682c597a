"""What happens to the service when its database restarts, freezes or says no."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.catalog.databases import CatalogDatabase, create_catalog_database
from tests.integration.catalog.processes import ServiceProcess
from tests.support.clients import Answer
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

Starter = Callable[..., ServiceProcess]


@pytest.fixture
def own_server(server_folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL that a test may stop."""
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="pg-", dir=server_folder)))
    server.create()
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_no_request_fails_once_a_restarted_database_is_back(
    own_server: PostgresServer, start_service: Starter, how: signal.Signals
) -> None:
    database = create_catalog_database(own_server, "catalog")
    service = start_service(CATALOG_DATABASE_URL=database.url())
    pool = _fill_pool(service)
    assert {answer.status for answer in pool} == {200}
    own_server.stop(how)
    own_server.start()
    # Nothing was asked meanwhile: each open connection is dead and the service has yet to find out.
    assert [answer.status for answer in _fill_pool(service)] == [200] * len(pool)


def test_requests_are_told_to_come_back_while_the_database_is_away(
    own_server: PostgresServer, start_service: Starter
) -> None:
    database = create_catalog_database(own_server, "catalog")
    service = start_service(CATALOG_DATABASE_URL=database.url())
    own_server.stop()
    answer = service.client().get("/api/catalog/products")
    assert answer.status == 503
    assert "retry-after" in answer.headers
    assert service.client().get("/readyz").status == 503
    own_server.start()
    assert service.client().get("/api/catalog/products").status == 200
    assert service.client().get("/readyz").status == 200


def test_a_frozen_database_neither_blocks_probes_nor_keeps_requests_for_ever(
    own_server: PostgresServer, start_service: Starter
) -> None:
    database = create_catalog_database(own_server, "catalog")
    service = start_service(CATALOG_DATABASE_URL=database.url())
    assert service.client().get("/api/catalog/products").status == 200
    backends = _backends(database)
    for number in backends:
        os.kill(number, signal.SIGSTOP)
    try:
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda: answers.append(service.client().get("/api/catalog/products")))
        asking.start()
        assert service.client().get("/livez").status == 200
        asking.join(30)
        assert answers[0].status == 503
    finally:
        for number in backends:
            os.kill(number, signal.SIGCONT)
    wait_until(lambda: service.client().get("/api/catalog/products").status == 200, 5, "it answers again")


def test_the_application_role_cannot_touch_what_fences_it(catalog_database: CatalogDatabase) -> None:
    with catalog_database.connect("catalog_app") as connection:
        for forbidden in ("alter table product disable trigger all", "truncate movement", "drop table product"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden.encode())


def _fill_pool(service: ServiceProcess, requests: int = 12) -> list[Answer]:
    """Requests at the same time, so that several connections are in use."""
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(service.client().get("/api/catalog/products")))
        for _ in range(requests)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return answers


def _backends(database: CatalogDatabase) -> list[int]:
    with database.connect("postgres") as connection:
        rows = connection.execute("select pid from pg_stat_activity where usename = 'catalog_app'").fetchall()
    return [row[0] for row in rows]
