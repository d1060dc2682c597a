"""How a stream goes through Kafka: which cluster, which topics, and clients for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from cdc.kafka.connections import DIRECT, Connections
from cdc.projection import Table
from cdc.stream_errors import ConnectionLost

LARGEST = 96 * 1024 * 1024
"""Bytes of one record: what a broker takes in one request (socket.request.max.bytes), less its wrapping."""
BATCH = 512 * 1024
"""Bytes that are handed over together, before they are compressed."""
ANSWER_MS = 5000
"""Within which one of the brokers has to answer a new client."""
FAREWELL_MS = 3000
"""For a consumer to leave its group; a broker that does not answer finds out by itself."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class Mode(StrEnum):
    TRANSACTIONAL = "transactional"
    """One topic with one partition for each stream: the source's transactions in their order."""
    PARALLEL = "parallel"
    """Debezium's topic for each table, the key's partition, several appliers."""


@dataclass(frozen=True)
class KafkaTransport:
    """Settings of one stream."""

    bootstrap: str
    """HOST:PORT,…"""
    prefix: str
    """Debezium's `topic.prefix`."""
    mode: Mode = Mode.TRANSACTIONAL
    partitions: int = 4
    """Of each table's topic, in parallel mode."""
    replication: int = 3
    min_insync: int = 2
    schemas: bool = False
    """Whether each record carries its schema."""
    debezium: bool = False
    """Whether Debezium's connector fills the topics, instead of a publisher of ours. Only in parallel mode."""
    appliers: int = 2
    """Members of the consumer group in this process, in parallel mode."""
    security: tuple[tuple[str, str], ...] = ()
    """What the clients need besides: security_protocol, sasl_mechanism, ssl_cafile …"""

    @property
    def topic(self) -> str:
        """Of a transactional stream."""
        return topic_name(self.prefix, "transactions")

    def table_topic(self, table: Table) -> str:
        return topic_name(self.prefix, str(table))

    def topics(self, tables: Sequence[Table]) -> list[str]:
        """All of a stream."""
        if self.mode is Mode.TRANSACTIONAL:
            return [self.topic]
        return [self.table_topic(table) for table in tables]

    def producer(self) -> Any:
        """Idempotent, acknowledged by all replicas. It gets whole batches (`topic_batches`), to be sent at once."""
        return _made(
            KafkaProducer, bootstrap_servers=self._servers, acks="all", enable_idempotence=True,
            compression_type="lz4", linger_ms=0, max_request_size=LARGEST,
            metrics_enabled=False, allow_auto_create_topics=False, max_block_ms=10_000, **self._patience,
        )  # fmt: skip

    def consumer(self, **more: Any) -> Any:
        """Without offsets of a group, and without a place of its own to begin."""
        return _made(
            KafkaConsumer, bootstrap_servers=self._servers, enable_auto_commit=False, auto_offset_reset="none",
            max_poll_records=2000, fetch_max_bytes=LARGEST, max_partition_fetch_bytes=4 * 1024 * 1024,
            receive_message_max_bytes=2 * LARGEST, metrics_enabled=False, allow_auto_create_topics=False,
            fetch_max_wait_ms=250, **self._patience, **more,
        )  # fmt: skip

    def admin(self) -> Any:
        return _made(KafkaAdminClient, bootstrap_servers=self._servers, **self._patience)

    @property
    def _servers(self) -> list[str]:
        return self.bootstrap.split(",")

    @property
    def _patience(self) -> dict[str, Any]:
        """A broker that is away is noticed soon, and asked again soon."""
        return {
            "reconnect_backoff_max_ms": 1000, "retry_backoff_ms": 50, "bootstrap_timeout_ms": ANSWER_MS,
            **dict(self.security),
        }  # fmt: skip


def abandon(producer: Any) -> None:
    """Close a producer with what it has not sent: otherwise it would first send all, or wait for ever. What is on its
    way may still arrive."""
    producer.flush = lambda timeout=None: None
    producer.close(timeout=0)


def topic_name(prefix: str, name: str) -> str:
    """As Debezium names them: what Kafka does not take becomes `_`."""
    return _UNSAFE.sub("_", f"{prefix}.{name}")


def leave(consumer: Any) -> None:
    """Close a consumer, within a moment also when no broker answers. KafkaError if its group could not be left;
    nothing of it is open then, either."""
    try:
        consumer.close(autocommit=False, timeout_ms=FAREWELL_MS)
    finally:
        consumer._client.close()


def _made(client: Any, **settings: Any) -> Any:
    begun: list[Connections] = []

    def connections(**settings: Any) -> Connections:
        begun.append(Connections(**settings))
        return begun[-1]

    settings.setdefault("proxy_url", settings.get("socks5_proxy") or DIRECT)
    try:
        return client(kafka_client=connections, **settings)
    except BaseException as error:
        for one in begun:
            one.close()
        if isinstance(error, (KafkaError, OSError)):
            raise ConnectionLost("Kafka", str(error) or type(error).__name__) from error
        raise
