"""One Kafka and one Kafka Connect for all tests here, and a PostgreSQL with the workload in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import connect as connecting
from tests.support import kafka as brokers
from tests.support.connect import Connect
from tests.support.kafka import KafkaCluster
from tests.support.stack import evidence_folder


@pytest.fixture(scope="session")
def cluster(server_folder: Path, request: pytest.FixtureRequest) -> Iterator[KafkaCluster]:
    with brokers.running(server_folder / "kafka") as running, _kept(request, running.nodes[0].folder / "log"):
        yield running


@contextmanager
def _kept(request: pytest.FixtureRequest, log: Path) -> Iterator[None]:
    """What it said is kept if a test failed."""
    before = request.session.testsfailed
    try:
        yield
    finally:
        if request.session.testsfailed > before:
            into = evidence_folder("debezium")
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, into / f"{log.parent.name}.log")


@pytest.fixture(scope="session")
def connect(server_folder: Path, cluster: KafkaCluster, request: pytest.FixtureRequest) -> Iterator[Connect]:
    with connecting.running(server_folder / "connect", cluster) as running, _kept(request, running.log):
        yield running
