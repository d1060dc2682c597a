"""A domain "notifications" on two sides that both hear of users and payments; whoever owns writes it down."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from kombu import Connection

from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import ServiceProcess
from tests.integration.catalog.rabbitmq import RabbitServer
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

SQL = Path(__file__).with_name("diary.sql").read_text()
DIARY = "tests.integration.events.diary_service:DiaryService"
DIARY_MONOLITH = "tests.integration.events.diary_monolith"
INBOX = "notifications.inbox"
QUEUES = (INBOX, f"{INBOX}.retry", f"{INBOX}.dead")
_number = itertools.count(1)


def event(kind: str = "order.paid", **data: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "type": kind, "occurred_at": datetime.now(UTC).isoformat(), "data": data}


@dataclass
class Broker:
    """The broker as these tests see it: who publishes there, and what waits in which queue."""

    server: RabbitServer

    @property
    def url(self) -> str:
        return self.server.url

    def publish(self, *events: object, domain: str = "payments") -> None:
        """As a publisher does; what is no dictionary is sent as it is."""
        with Connection(self.url, transport_options={"confirm_publish": True}) as connection:
            channel = connection.default_channel
            for one in events:
                body, kind = (json.dumps(one), one["type"]) if isinstance(one, dict) else (str(one), "strange")
                channel.basic_publish(
                    channel.prepare_message(
                        body.encode(), content_type="application/json", properties={"delivery_mode": 2}
                    ),
                    f"{domain}.events",
                    kind,
                )

    def waiting(self, queue: str = INBOX) -> int:
        with Connection(self.url) as connection:
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)

    def consumers(self) -> int:
        with Connection(self.url) as connection:
            return int(connection.default_channel.queue_declare(INBOX, passive=True).consumer_count)

    def is_declared(self) -> bool:
        """The queue is there, and the exchanges, which come after it; the binding to the last one follows at once."""
        try:
            with Connection(self.url) as connection:
                for source in ("users", "payments"):
                    connection.default_channel.exchange_declare(f"{source}.events", "topic", passive=True)
            self.waiting()
        except (OSError, AMQPError):
            return False
        return True

    def forget(self) -> None:
        """Nothing of an earlier test."""
        with Connection(self.url) as connection:
            for queue in QUEUES:
                connection.default_channel.queue_delete(queue)

    def kill(self) -> None:
        self.server.send(signal.SIGKILL)
        assert self.server.process is not None
        self.server.process.wait(10)


@dataclass
class Side:
    """One side's database and its process."""

    server: PostgresServer
    database: str
    start: Callable[[], Any]
    process: Callable[[], subprocess.Popen[bytes]]
    log: Path
    environment: dict[str, str]
    url: str = ""

    def send(self, number: signal.Signals) -> None:
        self.process().send_signal(number)
        if number is signal.SIGKILL:
            self.process().wait(10)

    def said(self) -> str:
        return self.log.read_text()

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.server.dsn(self.database), autocommit=True)

    def execute(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def become(self, state: str) -> None:
        """Owner, or not: the record, and the fence."""
        switch = "disable" if state == "owner" else "enable"
        with self.connect() as connection, connection.transaction():
            connection.execute("delete from fig.domain")
            connection.execute("insert into fig.domain values ('notifications', 'x', %s, 1)", [state])
            connection.execute(f"alter table inbox {switch} trigger a_fig_fence")

    def written(self) -> list[str]:
        return [str(row[0]) for row in self.execute("select event from diary order by line")]

    def wait_for(self, events: list[dict[str, Any]], seconds: float = 20) -> None:
        """Every event is written down, none twice."""
        wanted = sorted(one["id"] for one in events)
        wait_until(lambda: len(self.written()) >= len(wanted), seconds, f"{len(wanted)} events arrive", every=0.05)
        assert sorted(self.written()) == wanted


@dataclass
class _Module:
    """A Python module as a process."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        with self.log.open("ab") as log:
            environment = {"PATH": os.environ["PATH"], **self.environment}
            self.process = subprocess.Popen(self.command, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def _of(program: ServiceProcess | _Module) -> subprocess.Popen[bytes]:
    assert program.process is not None, "it was not started"
    return program.process


@pytest.fixture
def broker(rabbitmq: RabbitServer) -> Iterator[Broker]:
    broker = Broker(rabbitmq)
    broker.forget()
    yield broker
    rabbitmq.send(signal.SIGCONT)


def diary_database(server: PostgresServer) -> str:
    name = f"diary_{next(_number)}"
    with psycopg.connect(server.create_database(name), autocommit=True) as admin:
        if admin.execute("select 1 from pg_roles where rolname = 'app'").fetchone() is None:
            admin.execute("create role app login")
        admin.execute(SQL)
    return name


@pytest.fixture(scope="session")
def identity_files(server_folder: Path) -> tuple[Path, Path]:
    return Issuer().write_to(Path(tempfile.mkdtemp(prefix="identity-", dir=server_folder)))


@pytest.fixture
def service_side(
    services_server: PostgresServer, broker: Broker, identity_files: tuple[Path, Path], tmp_path: Path
) -> Iterator[Side]:
    name = diary_database(services_server)
    environment = {
        "DIARY_DATABASE_URL": f"postgresql+psycopg2://app@127.0.0.1:{services_server.port}/{name}",
        "IDENTITY_PUBLIC_KEY_FILE": str(identity_files[1]),
        "AMQP_URL": broker.url,
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    process = ServiceProcess(environment, tmp_path / "service.log", DIARY)
    side = Side(services_server, name, process.start, lambda: _of(process), process.log, environment, process.url)
    side.become("owner")
    yield side
    process.kill()


@pytest.fixture
def monolith_side(
    monolith_server: PostgresServer, broker: Broker, identity_files: tuple[Path, Path], tmp_path: Path
) -> Iterator[Side]:
    name = diary_database(monolith_server)
    environment = {
        "MONOLITH_DATABASE_URL": f"postgresql+psycopg://app@127.0.0.1:{monolith_server.port}/{name}",
        "IDENTITY_PRIVATE_KEY_FILE": str(identity_files[0]),
        "SECRET_KEY": "a secret of these tests",
        "AMQP_URL": broker.url,
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    process = _Module([sys.executable, "-m", DIARY_MONOLITH], environment, tmp_path / "monolith.log")
    side = Side(monolith_server, name, process.start, lambda: _of(process), process.log, environment)
    side.become("owner")
    yield side
    process.kill()


@pytest.fixture(params=["monolith", "service"])
def side(request: pytest.FixtureRequest) -> Side:
    """Each claim about consumers holds on both sides."""
    found: Side = request.getfixturevalue(f"{request.param}_side")
    return found
