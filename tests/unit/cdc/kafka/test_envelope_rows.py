"""Envelopes that are written in one go are those that are put together from parts, and what reads them in one go reads
what reads them value by value."""

from __future__ import annotations

import random
import re

import orjson
import pytest

from cdc.debezium import envelope_texts
from cdc.debezium.envelope import Envelopes, Record
from cdc.debezium.envelope_reader import EnvelopeReader
from cdc.debezium.envelope_rows import RowWriter, TableFacts
from cdc.debezium.envelope_types import value_type
from cdc.kafka.errors import MalformedEnvelope, Where
from cdc.messages import UNCHANGED, Begin, Insert, LogicalMessage, OldRow, Relation, Row, SourceColumn, Update
from tests.unit.cdc.kafka.test_envelope_values import AS_DEBEZIUM, CATALOGUE, OURS

TEXTS: dict[tuple[int, int], list[bytes]] = {}
for _oid, _modifier, _text, _ in (*AS_DEBEZIUM, *OURS):
    TEXTS.setdefault((_oid, _modifier), []).append(_text.encode())
TEXTS[1184, -1] += [
    b"2026-02-28 10:34:56+00", b"2026-02-28 10:34:56.1+00", b"2026-02-28 10:34:56.12345+00", b"12026-02-28 10:34:56+00",
    b"0044-03-15 12:00:00.5+00 BC", b"0001-03-15 12:00:00+00 BC", b"0001-03-15 12:00:00+00", b"infinity",
]  # fmt: skip
NAMES = ("a", 'b "quoted"', "c %d %b", "d%", "ü", "e\\", "{f}")
NOW = re.compile(rb'"ts_(?:ms|us|ns)":(\d+)')


class Made:
    """A table with columns of any types, and rows of it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.kinds = [self.chance.choice(sorted(TEXTS)) for _ in range(self.chance.randint(1, 9))]
        self.keys = self.chance.randint(0, min(2, len(self.kinds)))
        names = [f"{self.chance.choice(NAMES)}{i}" for i in range(len(self.kinds))]
        columns = tuple(
            SourceColumn(name, oid, modifier, i < self.keys)
            for i, (name, (oid, modifier)) in enumerate(zip(names, self.kinds, strict=True))
        )
        self.relation = Relation(5, "s", 't "%d"', "d", columns)
        types = tuple(value_type(oid, modifier, CATALOGUE) for oid, modifier in self.kinds)
        self.facts = TableFacts(types, tuple(names[: self.keys]))

    def row(self, unchanged: float = 0) -> Row:
        return [
            UNCHANGED if i >= self.keys and self.chance.random() < unchanged
            else None if self.chance.random() < 0.2 else self.chance.choice(TEXTS[kind])
            for i, kind in enumerate(self.kinds)
        ]  # fmt: skip

    def envelopes(self) -> Envelopes:
        made = Envelopes("p", "d", split_key_changes=False)
        made.announce(self.relation, self.facts)
        made.begin(Begin(100, 5, 7))
        return made


@pytest.mark.parametrize("seed", range(80))
def test_a_row_within_an_envelope_is_the_row_by_itself(seed: int) -> None:
    made = Made(seed)
    rows, envelopes = RowWriter(made.relation, made.facts), made.envelopes()
    for unchanged in (0, 0, 0, 0.3):
        new = made.row(unchanged)
        records = [
            envelopes.create(9, Insert(5, new)), envelopes.read(9, Insert(5, new)),
            *envelopes.update(9, Update(5, OldRow.ABSENT, [], new)),
        ]  # fmt: skip
        for record, operation in zip(records, "cru", strict=True):
            assert record.value is not None
            assert record.value.startswith(b'{"before":null,"after":' + rows.row(new) + b',"source":{"version":')
            assert record.key == rows.key(new)
            assert orjson.loads(record.value)["op"] == operation
            assert [int(found) > 0 for found in NOW.findall(record.value)] == [True] * 6


@pytest.mark.parametrize("seed", range(80))
def test_a_row_is_read_as_each_of_its_values_is(seed: int) -> None:
    made = Made(seed)
    new, reader = made.row(), EnvelopeReader()
    reader.announce(made.relation, made.facts.types)
    record = made.envelopes().create(9, Insert(5, new))
    said = orjson.loads(record.value or b"")["after"]
    read = [envelope_texts.reader(one) for one in made.facts.types]
    expected: Row = [None if one is None else read[i](one) for i, one in enumerate(said.values())]
    assert reader.read(record.value, Where("t", 0, 0)) == Insert(5, expected)


@pytest.mark.parametrize("text", ["0000-03-15T12:00:00.000000Z", "2026-02-28T10:34:56.123456Z\n"])
def test_a_moment_that_only_looks_usual_is_not_read_as_one(text: str) -> None:
    made = Made(0)
    made.kinds, made.keys = [(1184, -1)], 0
    relation = made.relation._replace(columns=(SourceColumn("at", 1184, -1, False),))
    reader, envelopes = EnvelopeReader(), made.envelopes()
    types = (value_type(1184, -1, {}),)
    reader.announce(relation, types)
    envelopes.announce(relation, TableFacts(types, ()))
    value = envelopes.create(9, Insert(5, [b"2026-02-28 10:34:56+00"])).value or b""
    value = value.replace(b"2026-02-28T10:34:56.000000Z", orjson.dumps(text)[1:-1])
    read = envelope_texts.reader(types[0])
    if text.startswith("0000"):
        assert reader.read(value, Where("t", 0, 0)) == Insert(5, [read(text)])
    else:
        with pytest.raises(MalformedEnvelope):
            reader.read(value, Where("t", 0, 0))


def test_a_row_behind_a_message_has_its_own_time_and_number() -> None:
    made = Made(3)
    envelopes = made.envelopes()
    first = envelopes.message(LogicalMessage(True, 8, "fig", b"x"))
    records: list[Record] = [envelopes.create(9, Insert(5, made.row())) for _ in range(200)]
    said = [orjson.loads(record.value or b"") for record in (first, *records)]
    assert [one["transaction"]["total_order"] for one in said] == list(range(1, 202))
    assert [one["ts_ns"] for one in said] == sorted(one["ts_ns"] for one in said)
    assert len({one["ts_ns"] for one in said}) >= 4
