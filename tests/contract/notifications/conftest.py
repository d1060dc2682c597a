"""Every test with a `side` runs against the monolith and against the service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from extracted.notifications.migrate import MIGRATIONS
from extracted.platform.migrations import migrate
from migration_plan.lifecycle import Side as Owner
from migration_plan.local import roles
from migration_plan.local.stack import Database
from migration_plan.sides.side import SideDatabase
from tests.contract.notifications.sides import MONOLITH_NAMES, SERVICE_NAMES, Monolith, Service, Side
from tests.doubles.control import MailControl, TwilioControl
from tests.doubles.process import running
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import ServiceProcess
from tests.integration.catalog.rabbitmq import RabbitServer
from tests.integration.conftest import rabbitmq
from tests.integration.monolith import elsewhere
from tests.integration.monolith.conftest import copy_of_template, prepare
from tests.integration.monolith.elsewhere import Server
from tests.integration.monolith.shop import Shop
from tests.support.postgres import PostgresServer, free_port

__all__ = ["rabbitmq"]

NOTIFICATIONS = "extracted.notifications.service:NotificationsService"
TABLES = ["message", "preference_owner", "preference", "inbox"]
ACCOUNT = {"TWILIO_ACCOUNT_SID": "AC" + "1" * 32, "TWILIO_AUTH_TOKEN": "a token", "TWILIO_FROM": "+15005550006"}
STREAM = Path(__file__).parents[3] / "cdc" / "stream.sql"


@pytest.fixture(scope="session")
def mail_ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """HTTP and SMTP."""
    port, smtp_port = free_port(), free_port()
    with running("mail", port, tmp_path_factory.mktemp("mail") / "log", "--smtp-port", str(smtp_port)):
        yield port, smtp_port


@pytest.fixture(scope="session")
def carrier_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with running("twilio", port, tmp_path_factory.mktemp("twilio") / "log", environment=ACCOUNT):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def mail(mail_ports: tuple[int, int]) -> MailControl:
    control = MailControl(f"http://127.0.0.1:{mail_ports[0]}")
    control.reset()
    return control


@pytest.fixture
def carrier(carrier_url: str) -> TwilioControl:
    control = TwilioControl(carrier_url)
    control.reset()
    return control


@pytest.fixture(scope="session")
def outside(mail_ports: tuple[int, int], carrier_url: str) -> dict[str, str]:
    """What both sides are told of the world."""
    smtp = f"smtp://127.0.0.1:{mail_ports[1]}"
    return {**ACCOUNT, "TWILIO_BASE_URL": carrier_url, "SMTP_URL": smtp, "MAIL_FROM": "The shop <shop@shop.test>"}


def create_database(server: PostgresServer, name: str) -> str:
    """The service's, owned by it; the URL for the application."""
    database = Database(owner="notifications_owner", application="notifications_app", fig="fig")
    secrets = dict.fromkeys(("notifications_owner", "notifications_app", "fig"), "unused")
    roles.prepare(server.dsn(), {name: database}, secrets)
    url = f"postgresql+psycopg2://{{}}@127.0.0.1:{server.port}/{name}"
    migrate(MIGRATIONS, url.format("notifications_owner"))
    with psycopg.connect(server.dsn(name), autocommit=True) as admin:
        admin.execute("create schema if not exists fig authorization fig")
        admin.execute("set role fig")
        admin.execute(STREAM.read_text())
    with closing(SideDatabase(Owner.SERVICE, server.dsn(name, "fig"))) as side:
        side.install()
        side.enroll("notifications", "owner", 1, [f"public.{table}" for table in TABLES], 5.0)
    return url.format("notifications_app")


@contextmanager
def running_service(
    server: PostgresServer,
    rabbit: RabbitServer,
    users: Server,
    outside: dict[str, str],
    folder: Path,
    database: str = "notifications_contract",
    runner: str = "extracted.platform.run",
) -> Iterator[Service]:
    issuer, keys = Issuer(), folder / "keys"
    keys.mkdir()
    environment = {
        **outside,
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "NOTIFICATIONS_DATABASE_URL": create_database(server, database),
        "IDENTITY_PUBLIC_KEY_FILE": str(issuer.write_to(keys)[1]),
        "FIG_INTERNAL_URL": users.url,
        "AMQP_URL": rabbit.url,
    }
    process = ServiceProcess(environment, folder / "notifications.log", NOTIFICATIONS, runner=runner).start()
    dsn = server.dsn(database)
    try:
        yield Service(process.url, dsn, SERVICE_NAMES, users, process=process, issuer=issuer, broker=rabbit.url)
    finally:
        process.kill()


@contextmanager
def running_monolith(server: PostgresServer, outside: dict[str, str], folder: Path) -> Iterator[Monolith]:
    prepare(server)
    key = Issuer().write_to(folder)[0]
    shop = Shop(server, copy_of_template(server), key, dict(outside))
    elsewhere.prepare_fences(shop)
    elsewhere.enroll(shop, "notifications", "owner")
    http = elsewhere.server(shop, folder / "monolith.log", **outside)
    http.start()
    try:
        yield Monolith(http.url, server.dsn(shop.database), MONOLITH_NAMES, http, shop=shop)
    finally:
        http.end(15)
        shop.close()


@pytest.fixture(scope="session")
def both(
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    rabbitmq: RabbitServer,
    outside: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Side]]:
    folder = tmp_path_factory.mktemp("notifications")
    with ExitStack() as ending:
        monolith = ending.enter_context(running_monolith(monolith_server, outside, folder))
        service = running_service(services_server, rabbitmq, monolith.users, outside, folder)
        yield {"monolith": monolith, "service": ending.enter_context(service)}


@pytest.fixture(params=["monolith", "service"])
def side(request: pytest.FixtureRequest, both: dict[str, Side]) -> Side:
    one = both[request.param]
    one.reset()
    return one
