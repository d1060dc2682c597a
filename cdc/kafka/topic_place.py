"""Where a stream is in its topic, as its target keeps it beside the position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from cdc import servers
from cdc.capture.changes import Kept
from cdc.kafka.topic_reader import Place
from cdc.spec import StreamSpec

STATEMENTS = {
    b"place": "select fig.keep_place($1, $2, $3, $4, $5, $6)",
    b"relation": "select fig.keep_relation($1, $2, $3)",
    b"partition": "select fig.advance_partition($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    b"barriers": "select fig.pass_barriers($1, $2, $3)",
}
"""Prepared by the target's session."""


@dataclass(frozen=True)
class KeptPlace:
    """What the target remembers of a topic."""

    topic_id: str
    place: Place
    announced: dict[int, bytes]


def read(spec: StreamSpec) -> KeptPlace | None:
    """None before the first record was applied. Read while nobody else can apply: the session has the origin."""
    try:
        connection: psycopg.Connection[Any] = servers.connect(spec.target_dsn, "target", f"fig-place {spec.name}")
        with connection as target:
            row = target.execute(
                "select topic_id, next, session, number from fig.topic_place where stream = %s", [spec.name]
            ).fetchone()
            if row is None:
                return None
            announced = target.execute(
                "select relation, announced from fig.topic_relation where stream = %s", [spec.name]
            ).fetchall()
            return KeptPlace(row[0], Place(row[1], row[2], row[3]), dict(announced))
    except psycopg.Error as error:
        raise servers.refused("target", error) from error


def place(stream: str, topic: str, topic_id: str, at: Place) -> Kept:
    """To be written with the position."""
    numbers = [str(number).encode() for number in at]
    return Kept(b"place", [stream.encode(), topic.encode(), topic_id.encode(), *numbers])


def relation(stream: str, oid: int, announced: bytes) -> Kept:
    """To be written once, with the next position."""
    return Kept(b"relation", [stream.encode(), str(oid).encode(), b"\\x" + announced.hex().encode()])
