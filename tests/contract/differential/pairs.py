"""The two sides of a domain, next to each other, with nothing between them and the requests."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psycopg

from tests.contract.catalog.conftest import start_monolith
from tests.contract.catalog.sides import Monolith, Person, Side
from tests.contract.differential.domains.catalog import CATALOG
from tests.contract.differential.domains.users import USERS
from tests.contract.differential.explore import Pair
from tests.contract.differential.rows import Tables
from tests.contract.differential.side import Asked
from tests.contract.users.conftest import USERS as USERS_SERVICE
from tests.contract.users.conftest import running_monolith
from tests.integration.catalog.databases import create_catalog_database
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import NO_BROKER, ServiceProcess
from tests.integration.monolith import carrier
from tests.integration.users.databases import create_users_database
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
            here = Asked(CATALOG, _browsers(monolith, people))
            there = Asked(CATALOG, _identified(service.url, issuer, people))
            shop, catalog = monolith_server.dsn(monolith.database), services_server.dsn(database.name)
            with clearing(shop, CLEAR_SHOP) as clear_shop, clearing(catalog, CLEAR_CATALOG) as clear_catalog:
                yield Pair(CATALOG, here, there, Tables(CATALOG, shop, catalog), (clear_shop, clear_catalog)), service
            here.close()
            there.close()
    finally:
        service.kill()


def _browsers(side: Side, people: dict[str, Person]) -> dict[str, Client]:
    clients = {name: person.client for name, person in people.items()}
    ada = people["ada"].client
    without = Client(side.url, keep_alive=False, cookies=dict(ada.cookies))
    return {**clients, "visitor": Client(side.url, keep_alive=False), f"ada{WITHOUT_TOKEN}": without}


def _identified(url: str, issuer: Issuer, people: dict[str, Person]) -> dict[str, Client]:
    """The same people, as the proxy would present them."""

    def client(name: str, csrf: bool = True) -> Client:
        roles = ["buyer", "seller"] if ROLES[name] == "seller" else ["buyer"]
        token = issuer.token(people[name].id, roles=roles, csrf=csrf)
        return Client(url, keep_alive=False, headers={"X-Identity": token})

    named = {name: client(name) for name in people}
    return {**named, "visitor": Client(url, keep_alive=False), f"ada{WITHOUT_TOKEN}": client("ada", csrf=False)}


@contextmanager
def clearing(dsn: str, statements: str) -> Iterator[Callable[[], object]]:
    """A function that empties tables; deleting a few rows is much quicker than truncating."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield lambda: connection.execute(statements.encode())


CLEAR_USERS_HERE = """
    delete from notification_messages; delete from notification_preferences; delete from users_outbox;
    delete from phone_codes; delete from rate_limits; delete from users; select setval('users_id_seq', 1)
"""
CLEAR_USERS_THERE = """
    delete from outbox; delete from code; delete from rate_limit;
    delete from verification; delete from credential; delete from account;
    select setval('account_id_seq', 1)
"""
BROWSERS = ("ada", "bob", "second-browser", "visitor")


@contextmanager
def users_pair(
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    folder: Path,
    runner: str = "extracted.platform.run",
) -> Iterator[tuple[Pair, ServiceProcess]]:
    """Each side with a carrier of its own, so that each one's codes go to its own people."""
    private, public = Issuer().write_to(folder)
    name = f"users_pair_{next(_number)}"
    with ExitStack() as stack:
        carriers = [stack.enter_context(carrier.running()) for _ in range(2)]
        told = [_users_settings(private, public, one.url) for one in carriers]
        monolith = stack.enter_context(running_monolith(monolith_server, told[0], folder / "monolith.log"))
        tell_by_outbox(monolith.dsn)
        database = create_users_database(services_server, name)
        environment = {**told[1], "USERS_DATABASE_URL": database, "AMQP_URL": NO_BROKER}
        service = ServiceProcess(environment, folder / "users.log", USERS_SERVICE, runner=runner).start()
        stack.callback(service.kill)
        dsn = services_server.dsn(name)
        clear = [
            stack.enter_context(clearing(*one)) for one in ((monolith.dsn, CLEAR_USERS_HERE), (dsn, CLEAR_USERS_THERE))
        ]
        asked = [
            Asked(
                USERS,
                _browsers_of(url),
                {"code": partial(_codes, one)},
                sessions=True,
            )
            for url, one in zip((monolith.url, service.url), carriers, strict=True)
        ]
        for one in asked:
            stack.callback(one.close)
        resets = [one.reset for one in carriers]
        effects = tuple(partial(_messages, one) for one in carriers)
        yield Pair(USERS, asked[0], asked[1], Tables(USERS, monolith.dsn, dsn), (*clear, *resets), effects), service


def _browsers_of(url: str) -> dict[str, Client]:
    return {name: Client(url, keep_alive=False) for name in BROWSERS}


def tell_by_outbox(dsn: str) -> None:
    """A monolith whose notifications have moved away, as it is for a service: then both tell in the same way."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("create schema fig; create table fig.domain (domain text primary key, state text, epoch bigint)")
        admin.execute("insert into fig.domain values ('notifications', 'standby', 1)")
        admin.execute("grant usage on schema fig to shop_app; grant select on fig.domain to shop_app")


def _users_settings(private: Path, public: Path, carrier_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "only for these tests",
        "IDENTITY_PRIVATE_KEY_FILE": str(private),
        "IDENTITY_PUBLIC_KEY_FILE": str(public),
        "TWILIO_ACCOUNT_SID": "AC0",
        "TWILIO_AUTH_TOKEN": "a token",
        "TWILIO_FROM": "+15005550006",
        "TWILIO_BASE_URL": carrier_url,
    }


def _messages(one: carrier.Carrier) -> list[str]:
    """To whom, and the text without its code."""
    return [f"{message.to}: {re.sub('[0-9]{6}', '######', message.text)}" for message in one.messages]


def _codes(one: carrier.Carrier) -> list[str]:
    return [message.code for message in one.messages]
