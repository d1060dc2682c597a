"""A broker that only some want: `fig up` with it and without; it answers, is nobody's, and keeps what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from tests.support.stack import Stack, private_stack

FILE = """
environment: {FIG_TRANSPORT: "${FIG_TRANSPORT:-direct}"}
processes:
  kafka:
    ports: {kafka: 1, kafka-controller: 2}
    kafka: {}
    when: {value: "${FIG_TRANSPORT}", equals: kafka}
  reader: {command: [sleep, infinity], after: [kafka]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "stack.yml"
    written.write_text(FILE, encoding="utf-8")
    return written


@pytest.fixture
def with_kafka(file: Path) -> Iterator[Stack]:
    with private_stack(file, extra={"FIG_TRANSPORT": "kafka"}) as stack:
        stack.up()
        yield stack


def test_without_kafka_as_the_transport_there_is_none_and_nobody_waits_for_it(file):
    with private_stack(file) as stack:
        stack.up()
        assert list(stack.status()) == ["reader"]


def test_the_broker_is_unprivileged_on_loopback_and_has_what_it_was_given_after_its_death(with_kafka):
    address = f"127.0.0.1:{with_kafka.ports['kafka']}"
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic("books", num_partitions=1, replication_factor=1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=address)
    producer.send("books", b"one").get(20)
    producer.close()

    former = with_kafka.pid("kafka")
    broker = psutil.Process(former)
    assert broker.uids().effective != 0
    assert {one.laddr.ip for one in broker.net_connections() if one.status == psutil.CONN_LISTEN} <= {
        "127.0.0.1",
        "::ffff:127.0.0.1",
    }
    with_kafka.kill("kafka")
    with_kafka.wait_until_back("kafka", former)

    consumer = KafkaConsumer(bootstrap_servers=address, consumer_timeout_ms=20_000)
    consumer.assign([TopicPartition("books", 0)])
    consumer.seek_to_beginning()
    assert next(consumer).value == b"one"
    consumer.close()
