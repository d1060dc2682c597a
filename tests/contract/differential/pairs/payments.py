"""Both sides of payments, each with an account at Stripe and a catalog of its own.

The monolith has its catalog in its own database; the service's is that of a second monolith. People and products have
the same ids everywhere, and orders begin anew with 1, so that keys at Stripe and ids of events must be the very same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.contract.catalog.conftest import start_monolith
from tests.contract.catalog.sides import Monolith, Person
from tests.contract.differential.domain import OUTSIDE
from tests.contract.differential.domains.payments import PAYMENTS
from tests.contract.differential.explore import Pair
from tests.contract.differential.outside import Outside
from tests.contract.differential.pairs.at_stripe import Around
from tests.contract.differential.pairs.clearing import clearing
from tests.contract.differential.pairs.people import identified, with_browsers
from tests.contract.differential.pairs.telling import tell_by_outbox
from tests.contract.differential.rows import Tables
from tests.contract.differential.side import Actor, Asked
from tests.contract.payments.conftest import PAYMENTS as PAYMENTS_SERVICE
from tests.contract.payments.conftest import create_database, running_monolith, settings
from tests.contract.payments.sides import API_KEY, MONOLITH_NAMES, SERVICE_NAMES, Side
from tests.doubles.control import StripeControl
from tests.doubles.process import running
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import NO_BROKER, ServiceProcess
from tests.support.clients import Client
from tests.support.postgres import PostgresServer, free_port

_number = itertools.count(1)

ROLES = {"ada": "seller", "bob": "seller", "cleo": "buyer", "dan": "buyer"}
CARELESS = "cleo"

CLEAR_CATALOG = """
    delete from stock_reservation_lines; delete from stock_reservations; delete from stock_movements;
    delete from products;
    insert into products (id, seller_id, title, description, category, price, stock, is_hidden) values
        (1, {ada}, 'Chair', 'Oak', 'home', 12.34, 5, false), (2, {bob}, 'Table, pine', '', 'garden', 19.99, 3, false),
        (3, {ada}, 'Hidden bench', '', 'home', 7.00, 5, true), (4, {ada}, 'Pin', '', 'home', 0.10, 100, false),
        (5, {bob}, 'Gift', '', 'home', 0.00, 5, false), (6, {bob}, 'Yacht', '', 'sea', 800000.00, 5, false)
"""
CLEAR_HERE = """
    delete from payments_outbox; delete from stripe_events; delete from refunds; delete from payments;
    delete from order_lines; delete from orders; delete from cart_items;
    select setval('orders_id_seq', 1, false), setval('refunds_id_seq', 1, false);
"""
CLEAR_THERE = """
    delete from outbox; delete from stripe_event; delete from refund; delete from payment; delete from purchase_line;
    delete from purchase; delete from cart_item;
    select setval('purchase_id_seq', 1, false), setval('refund_id_seq', 1, false)
"""


@contextmanager
def payments_pair(
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    folder: Path,
    runner: str = "extracted.platform.run",
) -> Iterator[tuple[Pair, ServiceProcess]]:
    issuer, name = Issuer(), f"payments_pair_{next(_number)}"
    keys = issuer.write_to(folder)
    (folder / "catalog").mkdir()
    with ExitStack() as stack:
        accounts = [stack.enter_context(_account(folder / f"stripe-{side}.log")) for side in ("here", "there")]
        told = [settings(*keys, account.url) for account in accounts]
        url, dsn = stack.enter_context(running_monolith(monolith_server, told[0], folder))
        tell_by_outbox(dsn)
        catalog = stack.enter_context(contextmanager(start_monolith)(monolith_server, folder / "catalog"))
        assert isinstance(catalog, Monolith)
        database = create_database(services_server, name)
        environment = {
            **told[1], "PAYMENTS_DATABASE_URL": database, "FIG_INTERNAL_URL": catalog.url, "AMQP_URL": NO_BROKER,
        }  # fmt: skip
        service = ServiceProcess(environment, folder / "payments.log", PAYMENTS_SERVICE, runner=runner).start()
        stack.callback(service.kill)
        people = _people(Monolith(url), catalog)
        ids = {name: person.id for name, person in people.items()}
        browsers = {name: person.client for name, person in people.items()}
        catalogs = (dsn, monolith_server.dsn(catalog.database))
        sides = [
            Side(url, url, dsn, MONOLITH_NAMES, issuer, accounts[0], False),
            Side(service.url, catalog.url, services_server.dsn(name), SERVICE_NAMES, issuer, accounts[1], True),
        ]
        around = [Around(side, catalog_dsn) for side, catalog_dsn in zip(sides, catalogs, strict=True)]
        asked = [
            _asked(one, clients)
            for one, clients in zip(
                around,
                (with_browsers(url, browsers, CARELESS), identified(service.url, issuer, ids, ROLES, CARELESS)),
                strict=True,
            )
        ]
        for one in asked:
            stack.callback(one.close)
        products = CLEAR_CATALOG.format_map(ids)
        statements = ((dsn, CLEAR_HERE + products), (sides[1].dsn, CLEAR_THERE), (catalogs[1], products))
        clear = [stack.enter_context(clearing(*one)) for one in statements]
        resets = [account.reset for account in accounts]
        tables = Tables(PAYMENTS, dsn, sides[1].dsn)
        effects = tuple(one.effects for one in around)
        yield Pair(PAYMENTS, asked[0], asked[1], tables, (*clear, *resets), effects), service


@contextmanager
def _account(log: Path) -> Iterator[StripeControl]:
    port = free_port()
    with running("stripe", port, log, "--api-key", API_KEY):
        yield StripeControl(f"http://127.0.0.1:{port}")


def _people(shop: Monolith, catalog: Monolith) -> dict[str, Person]:
    """Known to both monoliths under the same ids."""
    people = {name: shop.person(role) for name, role in ROLES.items()}
    assert [person.id for person in people.values()] == [catalog.person(role).id for role in ROLES.values()]
    return people


def _asked(around: Around, clients: dict[str, Client]) -> Asked:
    people: dict[str, Actor] = {**clients, OUTSIDE: Outside(around.acts)}
    return Asked(PAYMENTS, people)
