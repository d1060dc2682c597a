"""Shops on databases of their own, each a copy of one migrated template."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from stripe._http_client import HTTPClient

from legacy_monolith.migrate import migrate
from tests.doubles.control import StripeControl
from tests.doubles.process import running
from tests.integration.monolith import elsewhere, tills
from tests.integration.monolith.elsewhere import Apart, Server
from tests.integration.monolith.shop import Shop
from tests.integration.monolith.tills import Till
from tests.support.postgres import PostgresServer, free_port

TEMPLATE = "shop_template"
_number = itertools.count(1)


def prepare(server: PostgresServer) -> None:
    """The roles, and a database with the migrated schema."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        for role in ("shop_owner", "shop_app"):
            if admin.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone() is None:
                admin.execute(f"create role {role} login")
        if admin.execute("select 1 from pg_database where datname = %s", [TEMPLATE]).fetchone():
            return
        admin.execute(f"create database {TEMPLATE} owner shop_owner")
    migrate(f"postgresql+psycopg://shop_owner@127.0.0.1:{server.port}/{TEMPLATE}")


def copy_of_template(server: PostgresServer) -> str:
    name = f"shop_{next(_number)}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"create database {name} template {TEMPLATE} owner shop_owner")
    return name


@pytest.fixture(scope="session")
def identity_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("identity") / "identity.pem"
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem)
    return path


@pytest.fixture(scope="session")
def prepared_server(monolith_server: PostgresServer) -> PostgresServer:
    prepare(monolith_server)
    return monolith_server


@pytest.fixture(scope="session")
def shared_shop(prepared_server: PostgresServer, identity_key: Path) -> Iterator[Shop]:
    shop = Shop(prepared_server, copy_of_template(prepared_server), identity_key)
    yield shop
    shop.close()


@pytest.fixture
def shop(shared_shop: Shop) -> Shop:
    """An empty shop."""
    shared_shop.clear()
    return shared_shop


@pytest.fixture(scope="session")
def new_shop(prepared_server: PostgresServer, identity_key: Path) -> Iterator[Callable[..., Shop]]:
    """Further shops, with settings of their own."""
    shops: list[Shop] = []

    def make(**settings: object) -> Shop:
        shops.append(Shop(prepared_server, copy_of_template(prepared_server), identity_key, settings))
        return shops[-1]

    yield make
    for shop in shops:
        shop.close()


@pytest.fixture(scope="session")
def catalog_server(new_shop: Callable[..., Shop], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = elsewhere.server(new_shop(), tmp_path_factory.mktemp("catalog") / "log")
    server.start()
    yield server
    server.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def front(new_shop: Callable[..., Shop], catalog_server: Server) -> Shop:
    shop = new_shop(INTERNAL_URL=catalog_server.url, SEAM_PATIENCE_SECONDS=0.5)
    elsewhere.move_away(shop, "catalog")
    return shop


@pytest.fixture
def apart(front: Shop, catalog_server: Server) -> Apart:
    catalog = catalog_server.shop
    front.clear()
    catalog.clear()
    elsewhere.own_catalog(front, False)
    catalog_server.require_running()
    # The same seller is known on both sides, as if users had never been apart.
    seller = catalog.seller()
    front.seller()
    return Apart(front, catalog, catalog_server, seller)


@pytest.fixture(scope="session")
def stripe_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Stripe, as far as it is played here; its log stays empty unless it failed where it was not told to."""
    # Retries are tested, the sleep before them is not.
    HTTPClient.INITIAL_DELAY = 0.05
    port, log = free_port(), tmp_path_factory.mktemp("stripe") / "log"
    with running("stripe", port, log, "--api-key", tills.API_KEY):
        yield f"http://127.0.0.1:{port}"
    assert log.read_text(encoding="utf-8") == ""


@pytest.fixture(scope="session")
def paying_shop(new_shop: Callable[..., Shop], stripe_url: str) -> Shop:
    return tills.paying(new_shop, stripe_url)


@pytest.fixture
def till(paying_shop: Shop, stripe_url: str) -> Till:
    """An empty shop that takes payments, and an empty account at Stripe."""
    paying_shop.clear()
    control = StripeControl(stripe_url)
    control.reset()
    return Till(paying_shop, control)
