"""Rows of one source table to JSON objects: a function written for the table's columns, compiled once. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from cdc import envelope_values
from cdc.envelope_types import Kind, ValueType
from cdc.pgoutput import UNCHANGED, OldRow, Relation, Row

Encode = Callable[[Row], bytes]

_escaped = re.compile(rb'[\x00-\x1f"\\]').search


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
    scope: dict[str, Any] = {"escaped": _escaped, "write": envelope_values.text}
    values = []
    for place in places:
        scope[f"w{place}"] = envelope_values.writer(types[place])
        scope[f"a{place}"] = absent.get(place, b"null")
        values.append(f"a{place} if v{place} is None else {_expression(place, types[place])}")
    fields = [orjson.dumps(names[place]).replace(b"%", b"%%") + b":%b" for place in places]
    scope["form"] = b"{%b}" % b",".join(fields)
    taken = ", ".join(f"v{i}" for i in range(len(names)))
    text = f"def encode(row):\n    [{taken}] = row\n    return form % ({''.join(f'{value}, ' for value in values)})\n"
    exec(text, scope)  # noqa: S102  Made of numbers only.
    return cast(Encode, scope["encode"])


_INTEGERS = (Kind.INT16, Kind.INT32, Kind.INT64)


def _expression(place: int, value: ValueType) -> str:
    """What most values need, without a call."""
    if value.is_array:
        return f"w{place}(v{place})"
    if value.kind in _INTEGERS:
        return f"v{place}"
    if value.kind is Kind.TEXT:
        return f"(b'\"%b\"' % v{place} if escaped(v{place}) is None else write(v{place}))"
    if value.kind is Kind.DECIMAL:
        return f"b'\"%b\"' % v{place}"
    if value.kind is Kind.BOOL:
        return f"(b'true' if v{place} == b't' else b'false')"
    if value.kind is Kind.TIMESTAMP_TZ:
        usual = f"len(v{place}) == 29 and v{place}[4] == 45 and v{place}[26] == 43"
        return f"(b'\"%bT%bZ\"' % (v{place}[:10], v{place}[11:26]) if {usual} else w{place}(v{place}))"
    return f"w{place}(v{place})"
