"""Every test of this folder runs against the monolith and against the service."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.catalog.sides import Monolith, Service, Side
from tests.integration.catalog.databases import create_catalog_database
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import NO_BROKER, ServiceProcess
from tests.integration.monolith.conftest import copy_of_template, prepare
from tests.support.clients import Client
from tests.support.postgres import PostgresServer, free_port
from tests.support.waiting import wait_until

_number = itertools.count(1)


def start_service(server: PostgresServer, folder: Path) -> Iterator[Side]:
    issuer = Issuer()
    environment = {
        "CATALOG_DATABASE_URL": create_catalog_database(server, f"catalog_contract_{next(_number)}").url(),
        "IDENTITY_PUBLIC_KEY_FILE": str(issuer.write_to(folder)[1]),
        "AMQP_URL": NO_BROKER,
    }
    process = ServiceProcess(environment, folder / "catalog.log").start()
    yield Service(process.url, issuer)
    process.kill()


def start_monolith(server: PostgresServer, folder: Path) -> Iterator[Side]:
    prepare(server)
    port, database = free_port(), copy_of_template(server)
    environment = {
        "PATH": os.environ["PATH"],
        "MONOLITH_DATABASE_URL": f"postgresql+psycopg://shop_app@127.0.0.1:{server.port}/{database}",
        "SECRET_KEY": "only for these tests",
        "IDENTITY_PRIVATE_KEY_FILE": str(Issuer().write_to(folder)[0]),
        "MONOLITH_BIND": f"127.0.0.1:{port}",
    }
    gunicorn = Path(sys.executable).with_name("gunicorn")
    command = [str(gunicorn), "-c", "legacy_monolith/gunicorn.conf.py", "legacy_monolith:create_app()"]
    with (folder / "monolith.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    visitor = Client(f"http://127.0.0.1:{port}", keep_alive=False)
    wait_until(lambda: visitor.get("/readyz").status == 200, 60, f"the monolith is ready; log: {folder}")
    yield Monolith(visitor.url, database)
    process.terminate()
    process.wait(40)


@pytest.fixture(scope="session", params=["monolith", "service"])
def side(
    request: pytest.FixtureRequest,
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Side]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "service":
        yield from start_service(services_server, folder)
    else:
        yield from start_monolith(monolith_server, folder)
