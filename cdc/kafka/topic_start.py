"""What a publisher's session begins with, by the transport's mode: its topics, and what writes their records."""

from __future__ import annotations

from collections.abc import Callable
from secrets import randbits

from psycopg.conninfo import conninfo_to_dict

from cdc.debezium.envelope import Envelopes
from cdc.debezium.envelope_rows import TableFacts
from cdc.kafka import topics
from cdc.kafka.parallel_writer import ParallelWriter
from cdc.kafka.topic_writer import TopicWriter
from cdc.kafka.transport import KafkaTransport, Mode
from cdc.messages import Relation
from cdc.spec import StreamSpec
from cdc.stream_errors import SetUpError


def require_transport(spec: StreamSpec) -> KafkaTransport:
    if spec.kafka is None:
        raise SetUpError(f"stream {spec.name} has no Kafka", "Set transport: kafka in fig.yml")
    return spec.kafka


def made_topics(spec: StreamSpec, transport: KafkaTransport) -> dict[str, tuple[str, int]]:
    """The topic of each table and its partitions; in transactional mode the one of all."""
    if transport.mode is Mode.TRANSACTIONAL:
        topics.make(transport, transport.topic, 1)
        return {}
    names = {str(table): transport.table_topic(table) for table in spec.source_tables}
    return {
        table: (topics.make(transport, name, transport.partitions).name, transport.partitions)
        for table, name in names.items()
    }


def writer(
    spec: StreamSpec, made: dict[str, tuple[str, int]], describe: Callable[[Relation], TableFacts]
) -> TopicWriter | ParallelWriter:
    """A transactional topic keeps an update of the key in one record: two would lose what was not sent."""
    transport = require_transport(spec)
    database = str(conninfo_to_dict(spec.source_dsn).get("dbname") or "")
    envelopes = Envelopes(
        transport.prefix, database, transport.schemas, split_key_changes=transport.mode is Mode.PARALLEL
    )  # fmt: skip
    if transport.mode is Mode.TRANSACTIONAL:
        return TopicWriter(randbits(63), spec.domain, envelopes, describe)
    return ParallelWriter(randbits(63), spec.name, spec.domain, envelopes, describe, made)
