"""The shop's and a service's databases, migrated and with the roles of the local stack; a stream each way."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml

from cdc import install
from cdc.lens import Lens
from cdc.projection import Direction
from cdc.spec import StreamSpec
from cdc.stream import Stream
from extracted.platform.migrations import migrate as migrate_service
from legacy_monolith.migrate import migrate as migrate_monolith
from migration_plan.local import roles
from migration_plan.local.stack import Database
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[4]


def lens_of(domain: str) -> Lens:
    """The lens of one of the sample's plans."""
    plan = ROOT / "migration_plan" / "plans" / f"{domain}.yml"
    return Lens.parse(yaml.safe_load(plan.read_text())["tables"])


LENS = lens_of("catalog")
IMAGE = LENS.projections(Direction.TO_SERVICE)

_number = itertools.count(1)

# A product with its opening movement, as the shop writes it; the text search would only make the tests slow.
SEED = """
    insert into users (email, password_hash, name, role) values ('s@example.org', '', 'S', 'seller');
    insert into products (seller_id, title, description, category, price, stock, is_hidden, is_withdrawn)
        select 1, 'Title ' || n, '', 'c' || n % 20, n % 100000 / 100.0, 1 + n % 50, n % 3 = 0, n % 5 = 0
        from generate_series(1, {products}) n;
    insert into stock_movements (product_id, delta, reason, request_key)
        select id, stock, 'opening', gen_random_uuid() from products;
    insert into stock_reservations (key, state)
        select gen_random_uuid(), (array['held', 'confirmed', 'released'])[1 + n % 3] from generate_series(1, 200) n;
    insert into stock_reservation_lines (reservation_key, product_id, quantity, unit_price, title)
        select r.key, p.id, 1, p.price, p.title from stock_reservations r, products p where p.id <= 3;
"""


@dataclass(frozen=True)
class Shop:
    """DSNs of role fig, which is no superuser."""

    monolith: str
    service: str
    forward: StreamSpec
    backward: StreamSpec

    def on_monolith(self, query: str) -> list[tuple[Any, ...]]:
        return execute(self.monolith, query)

    def on_service(self, query: str) -> list[tuple[Any, ...]]:
        return execute(self.service, query)

    def remove_streams(self) -> None:
        install.remove(self.forward)
        install.remove(self.backward)


def execute(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def create_shop(monolith_server: PostgresServer, services_server: PostgresServer, domain: str = "catalog") -> Shop:
    """Both databases with their migrated schemas and no rows."""
    number = next(_number)
    shop, service_name = f"lens_shop_{number}", f"lens_{domain}_{number}"
    prefixes = ("shop", domain)
    secrets = dict.fromkeys(("fig", *(f"{prefix}_{end}" for prefix in prefixes for end in ("owner", "app"))), "unused")
    for server, name, prefix in ((monolith_server, shop, "shop"), (services_server, service_name, domain)):
        database = Database(owner=f"{prefix}_owner", application=f"{prefix}_app", fig="fig")
        roles.prepare(server.dsn(), {name: database}, secrets)
    migrate_monolith(f"postgresql+psycopg://shop_owner@127.0.0.1:{monolith_server.port}/{shop}")
    owner = f"postgresql+psycopg2://{domain}_owner@127.0.0.1:{services_server.port}/{service_name}"
    migrate_service(ROOT / "extracted" / domain / "migrations", owner)
    monolith, service = monolith_server.dsn(shop, "fig"), services_server.dsn(service_name, "fig")
    return Shop(
        monolith,
        service,
        _spec(domain, Direction.TO_SERVICE, monolith, service, number),
        _spec(domain, Direction.TO_MONOLITH, service, monolith, number),
    )


def _spec(domain: str, direction: Direction, source: str, target: str, number: int) -> StreamSpec:
    name = f"{domain}_{direction}"
    return StreamSpec(
        name=name, domain=domain, source_dsn=source, target_dsn=target, slot=f"fig_{name}_{number}", heartbeat=0.05,
        publication=f"fig_{domain}", origin=f"fig_{name}_{number}", projections=lens_of(domain).projections(direction),
    )  # fmt: skip


@contextmanager
def streaming(spec: StreamSpec) -> Iterator[None]:
    """The stream in a thread; what stops it fails the test."""
    stop, errors = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            Stream(spec).run(stop)
        except BaseException as error:  # noqa: BLE001  Raised again below.
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        if errors:
            raise errors[0]


def wait_until_caught_up(spec: StreamSpec) -> None:
    """Everything that is on the source now is on the target."""
    [(lsn,)] = execute(spec.source_dsn, "select pg_current_wal_insert_lsn()")
    query = f"select 1 from fig.position where stream = '{spec.name}' and lsn >= '{lsn}'"
    wait_until(lambda: execute(spec.target_dsn, query), 30, f"{spec.name} has applied {lsn}")
