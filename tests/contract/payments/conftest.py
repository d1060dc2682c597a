"""Every test of this folder runs against the monolith and against the service, with their background work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from extracted.payments.migrate import MIGRATIONS
from extracted.platform.migrations import migrate
from migration_plan import lifecycle
from migration_plan.local import roles
from migration_plan.local.stack import Database
from migration_plan.sides.side import SideDatabase
from tests.contract.payments.sides import API_KEY, MONOLITH_NAMES, SECRET, SERVICE_NAMES, Side
from tests.doubles.control import StripeControl
from tests.doubles.process import running
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import NO_BROKER, ServiceProcess
from tests.integration.monolith.conftest import copy_of_template, prepare
from tests.support.clients import Client
from tests.support.postgres import PostgresServer, free_port
from tests.support.waiting import wait_until

PAYMENTS = "extracted.payments.service:PaymentsService"
TABLES = ["cart_item", "purchase", "purchase_line", "payment", "refund", "stripe_event", "outbox"]
DATABASE = "payments_contract"
STREAM = Path(__file__).parents[3] / "cdc" / "stream.sql"


def create_database(server: PostgresServer, name: str = DATABASE) -> str:
    """As the local stack makes it, and owned by the service: its timers run."""
    secrets = dict.fromkeys(("payments_owner", "payments_app", "fig"), "unused")
    database = Database(owner="payments_owner", application="payments_app", fig="fig")
    roles.prepare(server.dsn(), {name: database}, secrets)
    address = f"127.0.0.1:{server.port}/{name}"
    migrate(MIGRATIONS, f"postgresql+psycopg2://payments_owner@{address}")
    with psycopg.connect(server.dsn(name, "fig"), autocommit=True) as connection:
        connection.execute("create schema if not exists fig")
        connection.execute(STREAM.read_bytes())
    with closing(SideDatabase(lifecycle.Side.SERVICE, server.dsn(name, "fig"))) as side:
        side.install()
        side.enroll("payments", "owner", 1, [f"public.{table}" for table in TABLES], 5.0)
    with psycopg.connect(server.dsn(name), autocommit=True) as connection:
        # Both sides share an account at Stripe, where the order's number is part of a key.
        for sequence in ("purchase_id_seq", "refund_id_seq"):
            connection.execute(f"select setval('{sequence}', 1000000)".encode())
    return f"postgresql+psycopg2://payments_app@{address}"


@pytest.fixture(scope="session")
def control(server_folder: Path) -> Iterator[StripeControl]:
    port = free_port()
    with running("stripe", port, server_folder / "stripe.log", "--api-key", API_KEY):
        yield StripeControl(f"http://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="session")
def shared(server_folder: Path, issuer: Issuer, control: StripeControl) -> Mapping[str, str]:
    """What both sides are told."""
    folder = server_folder / "payments-keys"
    folder.mkdir()
    return settings(*issuer.write_to(folder), control.url)


def settings(private: Path, public: Path, stripe_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "IDENTITY_PRIVATE_KEY_FILE": str(private),
        "IDENTITY_PUBLIC_KEY_FILE": str(public),
        "STRIPE_SECRET_KEY": API_KEY,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_BASE_URL": stripe_url,
        "STRIPE_PUBLISHABLE_KEY": "pk_test",
    }


@contextmanager
def running_monolith(server: PostgresServer, shared: Mapping[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """Its address and its database; with the background process."""
    prepare(server)
    port, database = free_port(), copy_of_template(server)
    environment = {
        **shared,
        "SECRET_KEY": "only for these tests",
        "MONOLITH_DATABASE_URL": f"postgresql+psycopg://shop_app@127.0.0.1:{server.port}/{database}",
        "MONOLITH_BIND": f"127.0.0.1:{port}",
    }
    gunicorn = [str(Path(sys.executable).with_name("gunicorn")), "-c", "legacy_monolith/gunicorn.conf.py", "-w", "1"]
    commands = ([*gunicorn, "legacy_monolith:create_app()"], [sys.executable, "-m", "legacy_monolith.jobs"])
    with (folder / "monolith-payments.log").open("ab") as log:
        processes = [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for command in commands]
    try:
        visitor = Client(f"http://127.0.0.1:{port}", keep_alive=False)
        wait_until(lambda: visitor.get("/readyz").status == 200, 60, f"the monolith is ready; log: {folder}")
        yield visitor.url, server.dsn(database)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(40)


@pytest.fixture(scope="session")
def both(
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    shared: Mapping[str, str],
    server_folder: Path,
    issuer: Issuer,
    control: StripeControl,
) -> Iterator[dict[str, Side]]:
    with ExitStack() as ending:
        url, dsn = ending.enter_context(running_monolith(monolith_server, shared, server_folder))
        environment = {
            **shared,
            "PAYMENTS_DATABASE_URL": create_database(services_server),
            "FIG_INTERNAL_URL": url,
            "AMQP_URL": NO_BROKER,
        }
        process = ServiceProcess(environment, server_folder / "payments.log", PAYMENTS).start()
        ending.callback(process.kill)
        yield {
            "monolith": Side(url, url, dsn, MONOLITH_NAMES, issuer, control, False),
            "service": Side(process.url, url, services_server.dsn(DATABASE), SERVICE_NAMES, issuer, control, True),
        }


@pytest.fixture(params=["monolith", "service"])
def side(request: pytest.FixtureRequest, both: dict[str, Side]) -> Side:
    """With a Stripe that does not fail."""
    one = both[request.param]
    one.control.heal()
    return one
