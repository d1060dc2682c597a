"""A database that goes away and comes back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.monolith.conftest import copy_of_template, prepare
from tests.integration.monolith.shop import PRODUCTS, Shop
from tests.support.postgres import PostgresServer


@pytest.fixture
def own_server(server_folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(server_folder / "pg-restarted")
    server.create()
    server.start()
    yield server
    server.stop()


def test_a_restarted_database_fails_no_request_and_a_stopped_one_says_503(
    own_server: PostgresServer, identity_key: Path
) -> None:
    prepare(own_server)
    shop = Shop(own_server, copy_of_template(own_server), identity_key)
    seller = shop.seller()
    product = seller.offer()
    own_server.stop(signal.SIGQUIT)
    refused = seller.get(f"{PRODUCTS}/{product['id']}")
    assert (refused.status_code, refused.get_json()["type"]) == (503, "/problems/temporarily-unavailable")
    assert refused.headers["Retry-After"]
    assert seller.get("/readyz").status_code == 503
    assert seller.get("/livez").status_code == 200
    own_server.start()
    assert seller.get(f"{PRODUCTS}/{product['id']}").get_json() == product
    own_server.stop(signal.SIGQUIT)
    own_server.start()
    assert seller.post(f"{PRODUCTS}/{product['id']}/withdraw").status_code == 200
    shop.close()
