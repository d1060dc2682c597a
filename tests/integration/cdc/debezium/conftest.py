"""One Kafka and one Kafka Connect for all tests here, and a PostgreSQL with the workload in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import connect as connecting
from tests.support import kafka as brokers
from tests.support.connect import Connect
from tests.support.kafka import KafkaCluster


@pytest.fixture(scope="session")
def cluster(server_folder: Path) -> Iterator[KafkaCluster]:
    with brokers.running(server_folder / "kafka") as running:
        yield running


@pytest.fixture(scope="session")
def connect(server_folder: Path, cluster: KafkaCluster) -> Iterator[Connect]:
    with connecting.running(server_folder / "connect", cluster) as running:
        yield running
