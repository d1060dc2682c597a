"""Rows carried with Debezium at one end: its sink takes our topics, our apply takes its topics, snapshot included."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from cdc import install, snapshot
from cdc.kafka_transport import KafkaTransport, Mode
from cdc.spec import StreamSpec
from tests.integration.cdc.debezium import sides
from tests.integration.cdc.kafka.conftest import publishing
from tests.support import debezium
from tests.support.connect import Connect
from tests.support.kafka import KafkaCluster
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until


def _change(dsn: str) -> None:
    with psycopg.connect(dsn) as source:
        for transaction in sides.CHANGES:
            for statement in transaction:
                source.execute(statement)
            source.commit()


@pytest.fixture
def ours(
    monolith_server: PostgresServer, services_server: PostgresServer, cluster: KafkaCluster
) -> Iterator[StreamSpec]:
    """Our snapshot is done."""
    source, target = monolith_server.create_database("ours"), services_server.create_database("sunk")
    sides.make_source(source)
    sides.make_target(target)
    transport = KafkaTransport(
        cluster.bootstrap, "ours", Mode.PARALLEL, partitions=1, replication=1, min_insync=1, schemas=True
    )
    spec = sides.stream("ours", source, target, transport)
    snapshot.copy(spec)
    yield spec
    install.remove(spec)


def test_debeziums_sink_goes_on_with_our_topics_where_our_snapshot_ended(ours, connect: Connect):
    with publishing(ours):
        connect.create("sink", debezium.sink(ours.target_dsn, r"ours\.public\..*"))
        _change(ours.source_dsn)

        def is_same() -> bool:
            connect.runs("sink")
            return sides.contents(ours.source_dsn) == sides.contents(ours.target_dsn)

        wait_until(is_same, 60, f"the sink's tables equal the source's; log: {connect.log}", every=0.2)
        connect.delete("sink")
