"""What stops a stream that goes through Kafka. No message of these holds a value of a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cdc.stream_errors import StreamError


class Where(NamedTuple):
    """Which record, as an error names it."""

    topic: str
    partition: int
    offset: int


class MalformedEnvelope(StreamError):
    """A record that is no envelope of Debezium's, or none of an announced table."""

    code = "envelope-malformed"

    def __init__(self, where: Where, place: str, reason: str) -> None:
        super().__init__(
            f"topic {where.topic}, partition {where.partition}, offset {where.offset}, {place}: {reason}",
            "See who writes to this topic, and that Debezium writes as the documentation says;"
            " the position was not moved",
        )
        self.where = where
        self.place = place


class TopicUnsuitable(StreamError):
    """A topic is not as the transport needs it."""

    code = "topic-unsuitable"

    def __init__(self, topic: str, problems: Sequence[str]) -> None:
        super().__init__(
            f"topic {topic} cannot be used: {'; '.join(problems)}",
            "Give the topic back its settings; records in another partition or order cannot be applied",
        )


class DebeziumLoses(StreamError):
    """Columns whose values Debezium's connector does not tell whole."""

    code = "debezium-loses"

    def __init__(self, stream: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"stream {stream} cannot be fed by Debezium, whose envelopes lose a part of: {', '.join(columns)}",
            "Set kafka.debezium to false in fig.yml, so that our own capture fills the topics, or take these columns"
            " out of the lens",
        )


class TopicLost(StreamError):
    """The topic no longer has what the target needs next, or is another topic of the same name."""

    code = "topic-lost"

    def __init__(self, stream: str, topic: str, reason: str) -> None:
        super().__init__(
            f"stream {stream} cannot go on from topic {topic}: {reason}",
            "Copy again: fig sync snapshot (what has not changed is not copied)",
        )


class ParallelUnsafe(StreamError):
    """Tables that must not be applied in parallel."""

    code = "parallel-unsafe"

    def __init__(self, stream: str, reasons: Sequence[str]) -> None:
        super().__init__(
            f"stream {stream} cannot be applied in parallel: {'; '.join(reasons)}",
            "Set kafka.mode to transactional in fig.yml",
        )
        self.reasons = tuple(reasons)
