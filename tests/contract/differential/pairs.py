"""The two sides of a domain, next to each other, with nothing between them and the requests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.contract.catalog.conftest import start_monolith
from tests.contract.catalog.sides import Monolith, Person, Side
from tests.contract.differential.domains.catalog import CATALOG
from tests.contract.differential.explore import Pair
from tests.contract.differential.rows import Tables
from tests.contract.differential.side import Asked
from tests.integration.catalog.databases import create_catalog_database
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import NO_BROKER, ServiceProcess
from tests.support.clients import Client
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
WITHOUT_TOKEN = "-without-token"


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
            here = Asked("monolith", CATALOG, _browsers(monolith, people))
            there = Asked("service", CATALOG, _identified(service.url, issuer, people))
            shop, catalog = monolith_server.dsn(monolith.database), services_server.dsn(database.name)
            with clearing(shop, CLEAR_SHOP) as clear_shop, clearing(catalog, CLEAR_CATALOG) as clear_catalog:
                yield Pair(CATALOG, here, there, Tables(CATALOG, shop, catalog), (clear_shop, clear_catalog)), service
            here.close()
            there.close()
    finally:
        service.kill()


def _browsers(side: Side, people: dict[str, Person]) -> dict[str, Client]:
    clients = {name: person.client for name, person in people.items()}
    for client in people.values():
        client.client.keep_alive = True
    ada = people["ada"].client
    without = Client(side.url, cookies=dict(ada.cookies))
    return {**clients, "visitor": Client(side.url), f"ada{WITHOUT_TOKEN}": without}


def _identified(url: str, issuer: Issuer, people: dict[str, Person]) -> dict[str, Client]:
    """The same people, as the proxy would present them."""

    def client(name: str, csrf: bool = True) -> Client:
        roles = ["buyer", "seller"] if ROLES[name] == "seller" else ["buyer"]
        token = issuer.token(people[name].id, roles=roles, csrf=csrf)
        return Client(url, headers={"X-Identity": token})

    named = {name: client(name) for name in people}
    return {**named, "visitor": Client(url), f"ada{WITHOUT_TOKEN}": client("ada", csrf=False)}


@contextmanager
def clearing(dsn: str, statements: str) -> Iterator[Callable[[], object]]:
    """A function that empties tables; deleting a few rows is much quicker than truncating."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield lambda: connection.execute(statements.encode())
