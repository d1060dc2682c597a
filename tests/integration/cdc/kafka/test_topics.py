"""A topic that is not as the transport needs it stops the stream by name; nothing is skipped in silence."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from cdc.kafka import topics
from cdc.kafka.errors import TopicLost, TopicUnsuitable
from cdc.kafka.topic_publisher import TopicPublisher
from cdc.kafka.transport import KafkaTransport
from tests.integration.cdc.kafka.conftest import publishing
from tests.integration.cdc.stream.conftest import Pair
from tests.support.kafka import KafkaCluster
from tests.support.waiting import wait_until


def transport_of(pair: Pair) -> KafkaTransport:
    assert pair.forward.kafka is not None
    return pair.forward.kafka


def test_what_retention_has_removed_before_the_target_had_it_is_noticed(routed: Pair) -> None:
    transport = transport_of(routed)
    with publishing(routed.forward), routed.streaming():
        routed.on_monolith("insert into book (title) values ('first')")
        routed.caught_up()
    [(place,)] = routed.on_service("select next from fig.topic_place")
    admin = transport.admin()
    partition = TopicPartition(transport.topic, 0)
    with publishing(routed.forward):
        routed.on_monolith("insert into book (title) values ('second')")
        [(end,)] = routed.on_monolith("select pg_current_wal_insert_lsn()")
        confirmed = "select 1 from pg_replication_slots where slot_name = %s and confirmed_flush_lsn >= %s::pg_lsn"
        wait_until(lambda: routed.on_monolith(confirmed, routed.forward.slot, end), 20, "Kafka has the second row")
    admin.delete_records({partition: place + 3})
    admin.close()
    with pytest.raises(TopicLost, match="has removed offsets"), routed.streaming() as running:
        running.thread.join(20)
    assert routed.on_service("select name from volume") == [("first",)]


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [("retention.ms", "1000", "retention.ms is 1000"), ("cleanup.policy", "compact", "cleanup.policy is compact")],
)
def test_a_topic_whose_settings_somebody_changed_is_refused(
    kafka: KafkaCluster, setting: str, value: str, named: str
) -> None:
    transport = KafkaTransport(kafka.bootstrap, f"changed.{setting}", replication=1, min_insync=1)
    topics.make(transport, transport.topic, 1)
    admin = transport.admin()
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, transport.topic, {setting: value})])
    admin.close()
    with pytest.raises(TopicUnsuitable, match=named):
        topics.make(transport, transport.topic, 1)


def test_a_topic_with_more_than_one_partition_is_refused(routed: Pair) -> None:
    transport = transport_of(routed)
    wide = replace(transport, prefix="wide")
    topics.make(wide, wide.topic, 3)
    with pytest.raises(TopicUnsuitable, match="3 partitions instead of 1"):
        TopicPublisher(replace(routed.forward, kafka=wide)).run(threading.Event())
