"""What a stream is told, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg

from cdc.kafka.transport import KafkaTransport
from cdc.projection import Projection, Table

Guard = Callable[[psycopg.Connection[Any]], str]
"""Called with a connection to the target by every session as it begins, and again where the source tells that it was
granted the domain; returns the statement that comes first in each transaction with rows. Read the epoch here, put it
into the statement."""


@dataclass(frozen=True)
class StreamSpec:
    """One direction of one domain."""

    name: str
    domain: str
    """Messages of other domains are not this stream's business."""
    source_dsn: str
    target_dsn: str
    slot: str
    publication: str
    origin: str
    projections: tuple[Projection, ...]
    guard: Guard | None = None
    copy_guard: Guard | None = None
    """As `guard`, for copies of rows; None: the same."""
    heartbeat: float = 0.1
    """Seconds between messages that move an idle stream on; 0 sends none."""
    kafka: KafkaTransport | None = None
    """Through Kafka; None is straight from the slot."""

    @property
    def source_tables(self) -> tuple[Table, ...]:
        return tuple(dict.fromkeys(p.source for p in self.projections))

    @property
    def target_tables(self) -> tuple[Table, ...]:
        return tuple(dict.fromkeys(p.target for p in self.projections))


class StreamState(StrEnum):
    CONNECTING = "connecting"
    STREAMING = "streaming"
    HELD = "held"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Progress:
    """Where a running stream is. LSNs are the source's."""

    state: StreamState
    applied: int = 0
    """Visible on the target."""
    confirmed: int = 0
    """Flushed by the target and given back to the source."""
    source_time: datetime | None = None
    """Everything that the source acknowledged before this time (its clock) is visible on the target."""
    lag: float | None = None
    """Seconds from the commit on the source to its visibility here, of the newest applied transaction."""
    rows: int = 0
    transactions: int = 0


OnProgress = Callable[[Progress], None]
