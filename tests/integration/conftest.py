"""A broker for all tests that need one. A test that stops it starts it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.catalog.rabbitmq import RabbitServer


@pytest.fixture(scope="session")
def rabbitmq(server_folder: Path) -> Iterator[RabbitServer]:
    server = RabbitServer(server_folder / "rabbitmq")
    server.start()
    yield server
    server.stop()
