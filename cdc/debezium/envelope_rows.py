"""Rows of one source table to JSON objects: a function written for the table's columns, compiled once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from cdc.debezium import envelope_times, envelope_values
from cdc.debezium.envelope_types import Kind, ValueType
from cdc.messages import UNCHANGED, OldRow, Relation, Row

Encode = Callable[[Row], bytes]
EncodeWithin = Callable[..., tuple[bytes | None, bytes]]
"""Takes a row and what is around it; gives (key, text)."""
NOT_SENT = (TypeError, AttributeError, KeyError)
"""Raised by a compiled function if a value of the row was not sent."""


@dataclass(frozen=True)
class TableFacts:
    """What pgoutput does not say of a table."""

    types: tuple[ValueType, ...]
    """Of its columns, in the order of the relation."""
    key: tuple[str, ...]
    """Columns of the primary key (or of the index that is the replica identity); none if there is no such thing."""
    required: frozenset[str] = frozenset()
    """Columns that are NOT NULL."""


class RowWriter:
    """Writes whole rows, and their keys."""

    def __init__(self, relation: Relation, facts: TableFacts) -> None:
        names = [column.name for column in relation.columns]
        self._places = [names.index(name) for name in facts.key]
        self._names = names
        self._types = facts.types
        self._writers = [envelope_values.writer(value) for value in facts.types]
        everything = list(range(len(names)))
        absent = {i: envelope_values.fallback(facts.types[i]) for i in everything if names[i] in facts.required}
        self._whole = _compiled(everything, names, facts.types)
        self._known_by_key = _compiled(everything, names, facts.types, absent)
        self._key = _compiled(self._places, names, facts.types) if facts.key else None

    def within(self, before: bytes, behind: bytes, arguments: int) -> EncodeWithin:
        """A function that writes a whole row in the middle of a text, and its key. Both parts of the text are formats;
        what the first one takes comes behind the row, then the `arguments` of the second."""
        return _within(self._places, self._names, self._types, before, behind, arguments)

    def row(self, row: Row) -> bytes:
        """The JSON object of a row. What was not sent has Debezium's placeholder."""
        if UNCHANGED in row:
            return self._partial(row)
        return self._whole(row)

    def old(self, old_is: OldRow, row: Row) -> bytes:
        """The JSON object of a row as it was. Of one that was sent with its key alone, what cannot be null has a value
        of no meaning, as Debezium gives it: readers with schemas refuse null there."""
        return self.row(row) if old_is is OldRow.FULL else self._known_by_key(row)

    def key(self, row: Row) -> bytes | None:
        """The JSON object of its key; None for a table without."""
        return self._key(row) if self._key is not None else None

    def is_same_key(self, one: Row, other: Row) -> bool:
        return all(one[place] == other[place] for place in self._places)

    def _partial(self, row: Row) -> bytes:
        parts = []
        for name, value, write, kind in zip(self._names, row, self._writers, self._types, strict=True):
            if value is UNCHANGED:
                shown = envelope_values.unavailable(kind)
            else:
                shown = b"null" if value is None else write(value)
            parts.append(b"%b:%b" % (orjson.dumps(name), shown))
        return b"{%b}" % b",".join(parts)


_NONE_ABSENT: Mapping[int, bytes] = {}


def _compiled(
    places: Sequence[int], names: Sequence[str], types: Sequence[ValueType], absent: Mapping[int, bytes] = _NONE_ABSENT
) -> Encode:
    """A function of the row. Nothing but column numbers gets into its text: names and writers are its globals."""
    scope = _scope(places, types, absent)
    scope["form"] = _form(places, names)
    text = f"def encode(row):\n    [{_taken(names)}] = row\n    return form % ({_values(places, types)})\n"
    exec(text, scope)  # noqa: S102  Made of numbers only.
    return cast(Encode, scope["encode"])


def _within(
    key: Sequence[int], names: Sequence[str], types: Sequence[ValueType], before: bytes, behind: bytes, arguments: int
) -> EncodeWithin:
    """The same in one go with what is around the row: a row is copied once."""
    everything = range(len(names))
    scope = _scope(everything, types, _NONE_ABSENT)
    scope["form"], scope["key"] = before + _form(everything, names) + behind, _form(key, names)
    around = ", ".join(f"b{i}" for i in range(before.count(b"%"))), ", ".join(f"a{i}_" for i in range(arguments))
    text = (
        f"def encode(row, {around[0]}, {around[1]}):\n"
        f"    [{_taken(names)}] = row\n"
        f"    return {f'key % ({_values(key, types)})' if key else 'None'}, "
        f"form % ({around[0]}, {_values(everything, types)}{around[1]})\n"
    )
    exec(text, scope)  # noqa: S102  Made of numbers only.
    return cast(EncodeWithin, scope["encode"])


def _scope(places: Sequence[int], types: Sequence[ValueType], absent: Mapping[int, bytes]) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "dumps": orjson.dumps, "bools": envelope_values.BOOLS, "missing": envelope_times.ZEROS_BY_LENGTH.get,
    }  # fmt: skip
    for place in places:
        scope[f"w{place}"] = envelope_values.writer(types[place])
        scope[f"n{place}"] = absent.get(place, b"null")
    return scope


def _form(places: Sequence[int], names: Sequence[str]) -> bytes:
    return b"{%b}" % b",".join([orjson.dumps(names[place]).replace(b"%", b"%%") + b":%b" for place in places])


def _taken(names: Sequence[str]) -> str:
    return ", ".join(f"v{i}" for i in range(len(names)))


def _values(places: Sequence[int], types: Sequence[ValueType]) -> str:
    return "".join(f"n{i} if v{i} is None else {_expression(i, types[i])}, " for i in places)


_INTEGERS = (Kind.INT16, Kind.INT32, Kind.INT64)


def _expression(place: int, value: ValueType) -> str:
    """What most values need, without a call."""
    if value.is_array:
        return f"w{place}(v{place})"
    if value.kind in _INTEGERS:
        return f"v{place}"
    if value.kind is Kind.TEXT:
        return f"dumps(v{place}.decode())"
    if value.kind is Kind.DECIMAL:
        return f"b'\"%b\"' % v{place}"
    if value.kind is Kind.BOOL:
        return f"bools[v{place}]"
    if value.kind is Kind.TIMESTAMP_TZ:
        usual = f"(zeros := missing(len(v{place}))) is not None and v{place}[4] == 45 and v{place}[-3] == 43"
        return f"(b'\"%bT%b%bZ\"' % (v{place}[:10], v{place}[11:-3], zeros) if {usual} else w{place}(v{place}))"
    return f"w{place}(v{place})"
