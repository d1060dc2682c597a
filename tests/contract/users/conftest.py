"""Every test with a `side` runs against the monolith and against the service; both know the same keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.contract.users.sides import MONOLITH_NAMES, SERVICE_NAMES, Side
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import NO_BROKER, ServiceProcess
from tests.integration.monolith import carrier as carriers
from tests.integration.monolith.carrier import Carrier
from tests.integration.monolith.conftest import copy_of_template, prepare
from tests.integration.users.databases import create_users_database
from tests.support.clients import Client
from tests.support.postgres import PostgresServer, free_port
from tests.support.waiting import wait_until

USERS = "extracted.users.service:UsersService"


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="session")
def running_carrier() -> Iterator[Carrier]:
    with carriers.running() as carrier:
        yield carrier


@pytest.fixture
def carrier(running_carrier: Carrier) -> Carrier:
    running_carrier.reset()
    return running_carrier


@pytest.fixture(scope="session")
def shared(server_folder: Path, issuer: Issuer, running_carrier: Carrier) -> Mapping[str, str]:
    """What both sides are told."""
    folder = server_folder / "users-keys"
    folder.mkdir()
    return settings(*issuer.write_to(folder), running_carrier.url)


def settings(private: Path, public: Path, carrier_url: str) -> dict[str, str]:
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


@contextmanager
def running_service(server: PostgresServer, database: str, shared: Mapping[str, str], log: Path) -> Iterator[Side]:
    url = create_users_database(server, database)
    environment = {**shared, "USERS_DATABASE_URL": url, "AMQP_URL": NO_BROKER}
    process = ServiceProcess(environment, log, USERS).start()
    try:
        yield Side(process.url, server.dsn(database), SERVICE_NAMES)
    finally:
        process.kill()


@contextmanager
def running_monolith(server: PostgresServer, shared: Mapping[str, str], log: Path) -> Iterator[Side]:
    prepare(server)
    port, database = free_port(), copy_of_template(server)
    environment = {
        **shared,
        "MONOLITH_DATABASE_URL": f"postgresql+psycopg://shop_app@127.0.0.1:{server.port}/{database}",
        "MONOLITH_BIND": f"127.0.0.1:{port}",
    }
    gunicorn = Path(sys.executable).with_name("gunicorn")
    command = [str(gunicorn), "-c", "legacy_monolith/gunicorn.conf.py", "-w", "1", "legacy_monolith:create_app()"]
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    visitor = Client(f"http://127.0.0.1:{port}", keep_alive=False)
    wait_until(lambda: visitor.get("/readyz").status == 200, 60, f"the monolith is ready; log: {log}")
    try:
        yield Side(visitor.url, server.dsn(database), MONOLITH_NAMES)
    finally:
        process.terminate()
        process.wait(40)


@pytest.fixture(scope="session")
def both(
    monolith_server: PostgresServer, services_server: PostgresServer, shared: Mapping[str, str], server_folder: Path
) -> Iterator[dict[str, Side]]:
    with ExitStack() as ending:
        yield {
            "monolith": ending.enter_context(
                running_monolith(monolith_server, shared, server_folder / "monolith-users.log")
            ),
            "service": ending.enter_context(
                running_service(services_server, "users_contract", shared, server_folder / "users.log")
            ),
        }


@pytest.fixture(params=["monolith", "service"])
def side(request: pytest.FixtureRequest, both: dict[str, Side]) -> Side:
    """With nothing counted against anybody."""
    one = both[request.param]
    one.forget_limits()
    return one


@pytest.fixture(params=["monolith to service", "service to monolith"])
def way(request: pytest.FixtureRequest, both: dict[str, Side]) -> tuple[Side, Side]:
    """Where somebody comes from, and where they go."""
    origin, target = (both[name] for name in request.param.split(" to "))
    for one in (origin, target):
        one.forget_limits()
    return origin, target
