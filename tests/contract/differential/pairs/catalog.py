"""Both sides of the catalog."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contract.catalog.conftest import start_monolith
from tests.contract.catalog.sides import Monolith
from tests.contract.differential.domains.catalog import CATALOG
from tests.contract.differential.explore import Pair
from tests.contract.differential.pairs.clearing import clearing
from tests.contract.differential.pairs.people import identified, with_browsers
from tests.contract.differential.rows import Tables
from tests.contract.differential.side import Asked
from tests.integration.catalog.databases import create_catalog_database
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import NO_BROKER, ServiceProcess
from tests.support.postgres import PostgresServer

_number = itertools.count(1)

CLEAR_SHOP = """
    delete from stock_reservation_lines; delete from stock_reservations; delete from stock_movements;
    delete from products
"""
CLEAR_CATALOG = """
    delete from reservation_line; delete from reservation; delete from movement; delete from inventory;
    delete from product
"""
ROLES = {"ada": "seller", "bob": "seller", "cleo": "buyer"}
CARELESS = "ada"


@contextmanager
def catalog_pair(
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    folder: Path,
    runner: str = "extracted.platform.run",
) -> Iterator[tuple[Pair, ServiceProcess]]:
    database = create_catalog_database(services_server, f"catalog_pair_{next(_number)}")
    issuer = Issuer()
    environment = {
        "CATALOG_DATABASE_URL": database.url(),
        "IDENTITY_PUBLIC_KEY_FILE": str(issuer.write_to(folder)[1]),
        "AMQP_URL": NO_BROKER,
    }
    service = ServiceProcess(environment, folder / "catalog.log", runner=runner).start()
    try:
        with contextmanager(start_monolith)(monolith_server, folder) as monolith:
            assert isinstance(monolith, Monolith)
            people = {name: monolith.person(role) for name, role in ROLES.items()}
            browsers = {name: person.client for name, person in people.items()}
            ids = {name: person.id for name, person in people.items()}
            here = Asked(CATALOG, with_browsers(monolith.url, browsers, CARELESS))
            there = Asked(CATALOG, identified(service.url, issuer, ids, ROLES, CARELESS))
            shop, catalog = monolith_server.dsn(monolith.database), services_server.dsn(database.name)
            with clearing(shop, CLEAR_SHOP) as clear_shop, clearing(catalog, CLEAR_CATALOG) as clear_catalog:
                yield Pair(CATALOG, here, there, Tables(CATALOG, shop, catalog), (clear_shop, clear_catalog)), service
            here.close()
            there.close()
    finally:
        service.kill()
