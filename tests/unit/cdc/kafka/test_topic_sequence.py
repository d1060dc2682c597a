"""Whatever sessions of publishers leave in a topic, a reader gives each transaction once, whole and in order."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from cdc.capture.changes import Keepalive
from cdc.debezium.envelope import Envelopes
from cdc.debezium.envelope_rows import TableFacts
from cdc.debezium.envelope_types import value_type
from cdc.kafka.errors import MalformedEnvelope, TopicLost, Where
from cdc.kafka.topic_reader import Place, TopicReader, TopicRecord
from cdc.kafka.topic_writer import Outgoing, TopicWriter
from cdc.messages import (
    UNCHANGED,
    Begin,
    Commit,
    Insert,
    LogicalMessage,
    Message,
    OldRow,
    Origin,
    Relation,
    SourceColumn,
    Truncate,
    Update,
)
from cdc.position import Identity

IDENTITY = Identity("7", 1, "slot")
RELATION = Relation(5, "public", "t", "d", (SourceColumn("id", 20, -1, True), SourceColumn("a", 25, -1, False)))
FACTS = TableFacts(tuple(value_type(c.type_oid, c.modifier, {}) for c in RELATION.columns), ("id",))


def writer(session: int) -> TopicWriter:
    return TopicWriter(session, "books", Envelopes("p", "d", split_key_changes=False), lambda relation: FACTS)


def transaction(number: int) -> list[Message]:
    """Number n commits at 100 n and ends at 100 n + 10."""
    rows: list[Message] = [
        Insert(5, [str(number * 10 + i).encode(), b"x"]) for i in range(number % 4 + 1)
    ]  # fmt: skip
    if number % 3 == 0:
        rows.append(Update(5, OldRow.KEY, [b"1", None], [b"2", UNCHANGED]))
    if number % 5 == 0:
        rows.append(LogicalMessage(True, number, "fig", b'{"domain": "books", "kind": "probe"}'))
    if number % 7 == 0:
        rows.append(Truncate((5,), False, False))
    return [Begin(100 * number, number, number), *rows, Commit(100 * number, 100 * number + 10, number)]


class Topic:
    """What is in the partition."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    def read(self, reader: TopicReader, start: int = 0) -> list[Message]:
        found: list[Message] = []
        for offset in range(start, len(self.records)):
            record = self.records[offset]
            one = reader.take(TopicRecord(Where("t", 0, offset), record.header, record.value))
            if one is not None and not isinstance(one, Keepalive | Relation):
                found.append(one)
        return found


def published(one: TopicWriter, start: int, last: int) -> Iterable[Outgoing]:
    """A session whose slot stands behind transaction `start`."""
    yield from one.open(IDENTITY, 100 * start + 10)
    yield from one.take(1, RELATION)
    for number in range(start + 1, last + 1):
        for message in transaction(number):
            yield from one.take(100 * number, message)


LAST = 24
EXPECTED = [message for number in range(1, LAST + 1) for message in transaction(number)]


def sessions(chance: random.Random) -> Topic:
    """Publishers that die anywhere, confirm anything that was written whole, and send their last records late."""
    topic, confirmed, session = Topic(), 0, 0
    late: list[Outgoing] = []
    while confirmed < LAST:
        session += 1
        records = list(published(writer(session), confirmed, LAST))
        written = len(records) if session > 12 else chance.randint(1, len(records))
        for record in records[:written]:
            while late and chance.random() < 0.5:
                topic.records.append(late.pop(0))
            topic.records.append(record)
            if record.reaches and (chance.random() < 0.5 or written == len(records)):
                confirmed = (record.reaches - 10) // 100
        if chance.random() < 0.3 and written < len(records):
            lost = chance.randint(
                1, 3
            )  # A batch that was refused, and later ones that were taken before it was noticed.
            topic.records.extend(records[written + lost : written + lost + chance.randint(0, 5)])
        late = records[written : written + chance.randint(0, 4)]
    return topic


@pytest.mark.parametrize("seed", range(60))
def test_each_transaction_comes_once_and_in_order(seed: int) -> None:
    topic = sessions(random.Random(seed))
    assert topic.read(TopicReader("s", IDENTITY, 10, None)) == EXPECTED


@pytest.mark.parametrize("seed", range(60))
def test_a_reader_goes_on_from_any_place(seed: int) -> None:
    chance = random.Random(seed)
    topic = sessions(chance)
    first = TopicReader("s", IDENTITY, 10, None)
    stopped = chance.randint(1, len(topic.records))
    whole = Topic()
    whole.records = topic.records[:stopped]
    before = whole.read(first)
    ends = [i for i, message in enumerate(before) if isinstance(message, Commit)]
    kept = before[: ends[-1] + 1] if ends else []
    end = kept[-1].end_lsn if kept and isinstance(kept[-1], Commit) else 10
    place: Place | None = first.place
    again = TopicReader("s", IDENTITY, end, place)
    again.know(first.announced.values())
    assert kept + topic.read(again, place.offset if place else 0) == EXPECTED


def test_a_session_that_begins_behind_a_gap_is_noticed() -> None:
    topic = Topic()
    topic.records += published(writer(1), 0, 5)
    topic.records += published(writer(2), 7, 9)
    with pytest.raises(TopicLost, match="goes on from"):
        topic.read(TopicReader("s", IDENTITY, 10, None))


def test_another_server_that_publishes_into_the_topic_is_noticed() -> None:
    topic = Topic()
    topic.records += published(writer(1), 0, 5)
    topic.records += writer(2).open(Identity("8", 1, "slot"), 10)
    with pytest.raises(TopicLost, match="another server"):
        topic.read(TopicReader("s", IDENTITY, 10, None))


def test_what_an_earlier_server_left_is_passed_over() -> None:
    topic = Topic()
    earlier = writer(1)
    topic.records += earlier.open(Identity("6", 1, "slot"), 10)
    topic.records += earlier.take(1, RELATION)
    for message in transaction(9):
        topic.records += earlier.take(1, message)
    topic.records += published(writer(2), 0, LAST)
    assert topic.read(TopicReader("s", IDENTITY, 10, None)) == EXPECTED


def test_a_record_without_our_header_stops_the_reader_with_its_place() -> None:
    reader = TopicReader("s", IDENTITY, 10, None)
    with pytest.raises(MalformedEnvelope, match="topic t, partition 0, offset 3"):
        reader.take(TopicRecord(Where("t", 0, 3), None, b"{}"))


def test_transactions_of_appliers_and_messages_of_others_are_left_out() -> None:
    one = writer(1)
    found: list[Outgoing] = []
    list(one.take(1, RELATION))
    for message in (
        Begin(100, 1, 1), Origin(0, "fig_books_to_monolith"), Insert(5, [b"1", b"x"]), Commit(100, 110, 1),
        Begin(200, 2, 2), LogicalMessage(True, 2, "fig", b'{"domain": "users"}'), Commit(200, 210, 2),
        Begin(300, 3, 3), LogicalMessage(True, 2, "other", b'{"domain": "books"}'), Commit(300, 310, 3),
    ):  # fmt: skip
        found += one.take(1, message)
    assert found == []
    assert one.reached == 310
