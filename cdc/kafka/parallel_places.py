"""Where the partitions of a parallel stream are: read from the target and written there together with their rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from cdc.capture.changes import Kept
from cdc.kafka.errors import TopicLost
from cdc.kafka.partition_reader import Barrier, PartitionPlace
from cdc.kafka.topics import Topic
from cdc.message_errors import RowsRewritten
from cdc.position import lsn_text, parse_lsn

_UNREACHED = 2**62
"""An ordinal that no transaction has."""

_PREPARE = """
    insert into fig.partition_place (stream, topic, partition, topic_id, next, last, lsn)
    values (%s, %s, %s, %s, -1, %s, %s::pg_lsn) on conflict do nothing
"""


def prepare(target: psycopg.Connection[Any], stream: str, found: Sequence[Topic], lsn: int, foreign: bool) -> None:
    """A place for every partition, from the position on; those that are there stay. TopicLost if a topic is another
    one than before."""
    last = [0, 0, 0] if foreign else [lsn - 1, _UNREACHED, 0]
    for topic in found:
        for partition in range(topic.partitions):
            target.execute(_PREPARE, [stream, topic.name, partition, topic.id, last, lsn_text(lsn)])
        other = target.execute(
            "select 1 from fig.partition_place where stream = %s and topic = %s and topic_id <> %s limit 1",
            [stream, topic.name, topic.id],
        ).fetchone()
        if other is not None:
            raise TopicLost(stream, topic.name, "it was deleted and made again")


def read(target: psycopg.Connection[Any], stream: str, topic: str, partition: int) -> PartitionPlace:
    """`next` is -1 before the first record: then the partition is read from its beginning."""
    row = target.execute(
        "select next, session, number, last, lsn::text from fig.partition_place"
        " where stream = %s and topic = %s and partition = %s",
        [stream, topic, partition],
    ).fetchone()
    if row is None:
        raise TopicLost(stream, topic, f"partition {partition} is new; keys have moved between partitions")
    following, session, number, last, lsn = row
    first, second, third = last
    return PartitionPlace(topic, partition, following, session, number, (first, second, third), parse_lsn(lsn))


def advance(stream: str, before: int, place: PartitionPlace, origin_lsn: int | None) -> Kept:
    """A partition's new place, if it still is at `before`. The LSN is for sessions that sign by origin."""
    numbers = (place.partition, before, place.next, place.session, place.number)
    last = "{" + ",".join(str(number) for number in place.last) + "}"
    return Kept(
        b"partition",
        [stream.encode(), place.topic.encode(), *(b"%d" % number for number in numbers), last.encode(),
         lsn_text(origin_lsn).encode() if origin_lsn is not None else None],
    )  # fmt: skip


def passed(stream: str, domain: str, barriers: Iterable[tuple[PartitionPlace, Barrier]]) -> Kept:
    """The barriers that partitions have passed with these rows."""
    said: dict[int, list[Any]] = {}
    reached: dict[tuple[str, int], int] = {}
    for place, barrier in barriers:
        probe, marker = _messages(barrier.said, domain)
        said[barrier.lsn] = [lsn_text(barrier.lsn), barrier.time, probe, marker]
        at = place.topic, place.partition
        reached[at] = max(reached.get(at, 0), barrier.lsn)
    rising = [said[lsn] for lsn in sorted(said)]
    places = [[topic, partition, lsn_text(lsn)] for (topic, partition), lsn in reached.items()]
    return Kept(b"barriers", [stream.encode(), json.dumps(rising).encode(), json.dumps(places).encode()])


def _messages(said: Iterable[str], domain: str) -> tuple[str | None, Any]:
    """(probe, marker) among what was said before a barrier."""
    probe: str | None = None
    marker: Any = None
    for text in said:
        message = json.loads(text)
        if message.get("domain") != domain:
            continue
        if message.get("kind") == "probe":
            probe = str(message.get("id"))
        elif message.get("kind") in ("fence", "grant"):
            marker = message
        elif message.get("kind") == "rewritten":
            raise RowsRewritten(str(message.get("what")))
    return probe, marker
