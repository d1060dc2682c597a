"""Topics as the transport needs them: made once, looked at on every start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from cdc.kafka.errors import TopicUnsuitable
from cdc.kafka.transport import LARGEST, KafkaTransport
from cdc.stream_errors import ConnectionLost


@dataclass(frozen=True)
class Topic:
    """One topic as it is."""

    name: str
    id: str
    """Another one when it is deleted and made again."""
    partitions: int


def settings(transport: KafkaTransport) -> dict[str, str]:
    """Nothing is forgotten by itself, and nothing is compacted: what the target has not applied must stay."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "max.message.bytes": str(LARGEST),
        "min.insync.replicas": str(transport.min_insync),
        "message.timestamp.type": "CreateTime",
    }


_KEPT = ("cleanup.policy", "retention.ms", "retention.bytes", "min.insync.replicas")
"""Settings that lose records when they are others."""


def make(transport: KafkaTransport, name: str, partitions: int) -> Topic:
    """The topic, made if it is not there, and as it should be; TopicUnsuitable if somebody changed it."""
    try:
        admin = transport.admin()
        try:
            found = find(admin, name)
            if found is None:
                _create(admin, transport, name, partitions)
                found = find(admin, name)
            if found is None:
                raise ConnectionLost("Kafka", f"topic {name} is not there yet")
            require(admin, transport, found, partitions)
            return found
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise ConnectionLost("Kafka", str(error) or type(error).__name__) from error


def look(transport: KafkaTransport, name: str, partitions: int | None) -> Topic | None:
    """The topic as it should be, or None. `partitions` of None: as many as there are."""
    try:
        admin = transport.admin()
        try:
            found = find(admin, name)
            if found is not None and partitions is not None:
                require(admin, transport, found, partitions)
            return found
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise ConnectionLost("Kafka", str(error) or type(error).__name__) from error


def remove(transport: KafkaTransport, name: str) -> None:
    """The topic and all that is in it, if it is there."""
    try:
        admin = transport.admin()
        try:
            admin.delete_topics([name])
        except UnknownTopicOrPartitionError:
            return
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise ConnectionLost("Kafka", str(error) or type(error).__name__) from error


def find(admin: Any, name: str) -> Topic | None:
    [said] = admin.describe_topics([name])
    if said["error_code"] == UnknownTopicOrPartitionError.errno:
        return None
    if said["error_code"]:
        raise ConnectionLost("Kafka", f"topic {name} cannot be described (error {said['error_code']})")
    return Topic(name, str(said["topic_id"]), len(said["partitions"]))


def require(admin: Any, transport: KafkaTransport, topic: Topic, partitions: int) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name)
    found = admin.describe_configs([resource], config_filter="all")["topic"][topic.name]
    problems = differences(transport, topic, partitions, {name: said["value"] for name, said in found.items()})
    if problems:
        raise TopicUnsuitable(topic.name, problems)


def differences(transport: KafkaTransport, topic: Topic, partitions: int, found: Mapping[str, str]) -> list[str]:
    """What is not as it was made."""
    problems = []
    if topic.partitions != partitions:
        problems.append(f"it has {topic.partitions} partitions instead of {partitions}")
    wanted = settings(transport)
    for name in _KEPT:
        if name == "min.insync.replicas":
            if int(found[name]) < int(wanted[name]):
                problems.append(f"{name} is {found[name]} instead of {wanted[name]}")
        elif found[name] != wanted[name]:
            problems.append(f"{name} is {found[name]} instead of {wanted[name]}")
    return problems


def _create(admin: Any, transport: KafkaTransport, name: str, partitions: int) -> None:
    described = {
        "num_partitions": partitions, "replication_factor": transport.replication, "configs": settings(transport),
    }  # fmt: skip
    try:
        admin.create_topics({name: described}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return
