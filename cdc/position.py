"""Where a stream is: the position on its target, and the LSNs and times it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def parse_lsn(text: str) -> int:
    """`16/B374D848` as a number."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


def lsn_text(lsn: int) -> str:
    """A number as `16/B374D848`."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def commit_time(microseconds: int) -> datetime:
    """A time of the replication protocol (microseconds since 2000)."""
    return _POSTGRES_EPOCH + timedelta(microseconds=microseconds)


def protocol_now() -> int:
    """Now, as the replication protocol counts."""
    return (datetime.now(UTC) - _POSTGRES_EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Identity:
    """Which server, timeline and slot an LSN belongs to."""

    system_id: str
    timeline: int
    slot: str
    database: str = field(default="", compare=False)
    """The database's oid; empty where nobody has written it down. A database restored in its place has another one."""


@dataclass(frozen=True)
class Position:
    """How far a stream has been applied: the end of the last applied source transaction."""

    stream: str
    identity: Identity
    lsn: int
    source_time: datetime | None = None
    heard: int = 0
    """The last of the source's heartbeats that the target has reached (`cdc.capture.beats`)."""


def read(connection: psycopg.Connection[Any], stream: str) -> Position | None:
    """The stream's position on this target; None if it has none."""
    found = connection.execute("select to_regclass('fig.position')").fetchone()
    if found is None or found[0] is None:
        return None
    row = connection.execute(
        "select system_id, timeline, slot, lsn::text, source_time from fig.position where stream = %s", [stream]
    ).fetchone()
    if row is None:
        return None
    system_id, _, database = row[0].partition("/")
    identity = Identity(system_id, row[1], row[2], database)
    return Position(stream, identity, parse_lsn(row[3]), row[4], _heard(connection, stream))


def _heard(connection: psycopg.Connection[Any], stream: str) -> int:
    """0 where none was reached, or in a database of an earlier fig."""
    there = connection.execute("select to_regclass('fig.heard') is not null").fetchone()
    if there is None or not there[0]:
        return 0
    row = connection.execute("select beats from fig.heard where stream = %s", [stream]).fetchone()
    return row[0] if row else 0


def write_first(connection: psycopg.Connection[Any], position: Position) -> None:
    """The first position, in the transaction that makes it true. Leaves later ones alone: a stream has one start."""
    one = position.identity
    place = f"{one.system_id}/{one.database}" if one.database else one.system_id
    connection.execute(
        "insert into fig.position (stream, system_id, timeline, slot, lsn) values (%s, %s, %s, %s, %s::pg_lsn)",
        [position.stream, place, one.timeline, one.slot, lsn_text(position.lsn)],
    )
