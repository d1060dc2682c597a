"""The streams of `tests/integration/cdc/stream` through a real Kafka."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cdc.copying import snapshot
from cdc.kafka.topic_publisher import TopicPublisher
from cdc.kafka.transport import KafkaTransport
from cdc.spec import StreamSpec
from tests.integration.cdc.stream.conftest import Pair, pair  # noqa: F401  A fixture.
from tests.support.kafka import KafkaCluster

_number = itertools.count(1)


@pytest.fixture(scope="session")
def kafka(server_folder: Path) -> Iterator[KafkaCluster]:
    """One broker for all tests."""
    cluster = KafkaCluster(server_folder / "kafka-one", 1)
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()


@dataclass
class Publishing:
    """A publisher in a thread; what it raised is raised again by `end`."""

    spec: StreamSpec
    checkpoint: Callable[[str], None] = lambda name: None
    stop: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            TopicPublisher(self.spec, self.checkpoint).run(self.stop)
        except BaseException as error:  # noqa: BLE001  Handed to the test.
            self.error = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive(), "the publisher does not stop"
        if self.error is not None:
            raise self.error


@contextmanager
def publishing(spec: StreamSpec, **kwargs: Any) -> Iterator[Publishing]:
    running = Publishing(spec, **kwargs)
    try:
        yield running
    finally:
        running.end()


def through(spec: StreamSpec, kafka: KafkaCluster, prefix: str, **settings: Any) -> StreamSpec:
    transport = KafkaTransport(kafka.bootstrap, prefix, replication=1, min_insync=1, **settings)
    return replace(spec, kafka=transport)


@pytest.fixture
def routed(pair: Pair, kafka: KafkaCluster) -> Pair:  # noqa: F811  The imported fixture.
    """The pair, both streams through Kafka, after its snapshot."""
    number = next(_number)
    pair.forward = through(pair.forward, kafka, f"books{number}.to_service")
    pair.backward = through(pair.backward, kafka, f"books{number}.to_monolith")
    snapshot.copy(pair.forward)
    return pair
