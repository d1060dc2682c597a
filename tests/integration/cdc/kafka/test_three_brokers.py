"""Three brokers, one of which may be lost at any moment: nothing is lost, nothing is doubled (I2, I3)."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cdc.kafka.test_kafka_crashes import (
    PATIENCE,
    Scene,
    crash_at_random,
    scenes,
    servers,  # noqa: F401
)
from tests.support.kafka import KafkaCluster
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def three(server_folder: Path) -> Iterator[KafkaCluster]:
    cluster = KafkaCluster(server_folder / "kafka-three", 3)
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def scene(
    servers: tuple[PostgresServer, PostgresServer],  # noqa: F811  The imported fixture.
    three: KafkaCluster,
    server_folder: Path,
) -> Iterator[Scene]:
    yield from scenes(servers, three, server_folder)


@pytest.mark.full
def test_the_stream_goes_on_without_the_broker_that_led_its_topic(scene: Scene) -> None:
    scene.start("publisher", "applier")
    wait_until(lambda: scene.on_target("select 1 from entry limit 1"), 40, "rows arrive")
    assert scene.spec.kafka is not None
    admin = scene.spec.kafka.admin()
    [topic] = admin.describe_topics([scene.spec.kafka.topic])
    admin.close()
    leader = topic["partitions"][0]["leader_id"]
    [broker] = [node for node in scene.kafka.nodes if node.node.number == leader]
    broker.end(signal.SIGKILL)
    [(then,)] = scene.on_source("select max(id) from entry")
    wait_until(
        lambda: scene.on_target("select 1 from entry where id > %s limit 1", then),
        60, "rows arrive by way of the brokers that are left",
    )  # fmt: skip
    scene.end_writing()
    target, source = scene.sums()
    assert target == source
    scene.kafka.start(PATIENCE)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_nothing_is_lost_or_doubled_while_everything_crashes_at_random(scene: Scene) -> None:
    scene.start("publisher", "applier")
    kinds = ["publisher", "applier", "target", "source", "broker", "broker"]
    crash_at_random(scene, 20, kinds, random.Random(3))
    scene.kafka.start(PATIENCE)
    scene.end_writing()
    target, source = scene.sums()
    assert target == source, f"after {scene.written} transactions"
