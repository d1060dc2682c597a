"""Envelopes of announced tables back to the messages they were made of. Pure.

Takes ours and Debezium's, with schemas or without. Whatever is not one is a MalformedEnvelope, which names the record
and the place in it, and no value.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, cast

import orjson

from cdc.debezium import envelope_texts, envelope_times, envelope_values
from cdc.debezium.envelope_types import Kind, ValueType
from cdc.kafka.errors import MalformedEnvelope, Where
from cdc.message_errors import SchemaChanged
from cdc.messages import UNCHANGED, Delete, Insert, LogicalMessage, OldRow, Relation, Row, Truncate, Update


class SnapshotRow(NamedTuple):
    """A row as it is now, whether it was there before or not (`r`)."""

    relation: int
    new: Row


Change = Insert | SnapshotRow | Update | Delete | Truncate | LogicalMessage
_NOT_ONE = (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError)


class _Table:
    """One announced relation."""

    def __init__(self, relation: Relation, types: Sequence[ValueType], generated: Collection[str]) -> None:
        self.oid = relation.oid
        self.generated = generated
        self.name = f"{relation.schema}.{relation.name}"
        self.columns = [column.name for column in relation.columns]
        self.types = types
        self.readers = [envelope_texts.reader(value) for value in types]
        self.old_is = OldRow.FULL if relation.identity == "f" else OldRow.KEY
        self.row = _compiled(self.columns, types, self.readers)


class EnvelopeReader:
    """Knows the relations that were announced."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, str], _Table] = {}

    def announce(self, relation: Relation, types: Sequence[ValueType], generated: Collection[str] = ()) -> None:
        """Envelopes of this table that follow have these columns. Debezium's snapshot reads generated ones too, which
        a stream never has."""
        self._tables[relation.schema, relation.name] = _Table(relation, types, generated)

    def read(self, value: bytes | None, where: Where, unsent: Collection[int] | None = None) -> Change | None:
        """The message; None for a tombstone. `unsent` are the columns that were not sent, where that is known; else
        Debezium's placeholder says so."""
        if value is None:
            return None
        try:
            said = orjson.loads(value)
        except (ValueError, RecursionError) as error:
            raise MalformedEnvelope(where, "value", "it is no JSON") from error
        place = "value"
        try:
            said = said.get("payload", said)
            place = "op"
            operation = said["op"]
            if operation == "m":
                place = "message"
                return _message(said)
            place = "source"
            origin = said["source"]
            place, table = "source.table", self._tables.get((origin["schema"], origin["table"]))
        except _NOT_ONE as error:
            raise MalformedEnvelope(where, place, "it is not there, or something else") from error
        if table is None:
            raise MalformedEnvelope(where, place, "this table was never announced")
        if unsent is None and b"__debezium_unavailable_value" not in value and _UNAVAILABLE_BYTES not in value:
            unsent = ()
        return self._change(table, operation, said, where, unsent)

    def _change(
        self, table: _Table, operation: Any, said: dict[str, Any], where: Where, unsent: Collection[int] | None
    ) -> Change:
        if operation == "c":
            return Insert(table.oid, _row(table, said.get("after"), where, "after", unsent))
        if operation == "r":
            return SnapshotRow(table.oid, _row(table, said.get("after"), where, "after", ()))
        if operation == "u":
            new = _row(table, said.get("after"), where, "after", unsent)
            if said.get("before") is None:
                return Update(table.oid, OldRow.ABSENT, [], new)
            return Update(table.oid, table.old_is, _row(table, said["before"], where, "before", ()), new)
        if operation == "d":
            return Delete(table.oid, table.old_is, _row(table, said.get("before"), where, "before", None))
        if operation == "t":
            return Truncate((table.oid,), False, False)
        raise MalformedEnvelope(where, "op", "no operation of Debezium's")


def _message(said: dict[str, Any]) -> LogicalMessage:
    message, lsn = said["message"], said["source"]["lsn"]
    prefix, content = message["prefix"], message["content"]
    if not (isinstance(prefix, str) and isinstance(content, str) and isinstance(lsn, int)):
        raise TypeError("no message")
    return LogicalMessage(said.get("transaction") is not None, lsn, prefix, b64decode(content, validate=True))


def _row(table: _Table, said: Any, where: Where, place: str, unsent: Collection[int] | None) -> Row:
    if said.__class__ is not dict:
        raise MalformedEnvelope(where, place, "no row")
    if len(said) == len(table.columns) and unsent is not None and not unsent:
        try:
            return table.row(said)
        except _NOT_ONE:
            pass  # Which column, and why, is found out below.
    gone = [f"column {name} is gone" for name in table.columns if name not in said]
    new = [f"column {name} is new" for name in said if name not in table.columns and name not in table.generated]
    if gone or new:
        raise SchemaChanged(table.name, [*gone, *new])
    return [_value(table, i, said[name], where, place, unsent) for i, name in enumerate(table.columns)]


def _value(table: _Table, i: int, said: Any, where: Where, place: str, unsent: Collection[int] | None) -> Any:
    if said is None and (unsent is None or i not in unsent):
        return None
    if i in unsent if unsent is not None else _is_unavailable(table.types[i], said):
        return UNCHANGED
    try:
        return table.readers[i](said)
    except _NOT_ONE as error:
        raise MalformedEnvelope(where, f"{place}.{table.columns[i]}", f"no {table.types[i].kind}") from error


_UNAVAILABLE_BYTES = orjson.loads(envelope_values.unavailable(ValueType(Kind.BYTES))).encode()


def _is_unavailable(value: ValueType, said: Any) -> bool:
    if value.kind in (Kind.BYTES, Kind.OPAQUE):
        return bool(said == _UNAVAILABLE_BYTES.decode() or said == [_UNAVAILABLE_BYTES.decode()])
    return bool(said == envelope_values.UNAVAILABLE or said == [envelope_values.UNAVAILABLE])


def _compiled(
    columns: Sequence[str], types: Sequence[ValueType], readers: Sequence[envelope_texts.Read]
) -> Callable[[dict[str, Any]], Row]:
    """A function of the JSON object, whose members are the columns in their order (else KeyError). Nothing but column
    numbers gets into its text."""
    scope: dict[str, Any] = {"names": tuple(columns), "moment": envelope_times.usual_text}
    scope |= {f"r{i}": read for i, read in enumerate(readers)}
    taken = ", ".join(f"v{i}" for i in range(len(columns)))
    values = ", ".join(f"None if v{i} is None else {_expression(i, value)}" for i, value in enumerate(types))
    text = (
        "def row(said):\n"
        "    if tuple(said) != names:\n"
        "        raise KeyError\n"
        f"    [{taken}] = said.values()\n"
        f"    return [{values}]\n"
    )
    exec(text, scope)  # noqa: S102  Made of numbers only.
    return cast(Callable[[dict[str, Any]], Row], scope["row"])


_TEXTS = (Kind.TEXT, Kind.DECIMAL, Kind.MONEY)


def _expression(i: int, value: ValueType) -> str:
    """What most values need, without a call of ours."""
    if value.is_array:
        return f"r{i}(v{i})"
    if value.kind in (Kind.INT16, Kind.INT32, Kind.INT64):
        return f"(b'%d' % v{i} if v{i}.__class__ is int else r{i}(v{i}))"
    if value.kind in _TEXTS:
        return f"(v{i}.encode() if v{i}.__class__ is str and '\\0' not in v{i} else r{i}(v{i}))"
    if value.kind is Kind.BOOL:
        return f"(b't' if v{i} is True else b'f' if v{i} is False else r{i}(v{i}))"
    if value.kind is Kind.TIMESTAMP_TZ:
        return f"(b'%b %b+00' % said.groups() if (said := moment(v{i}.encode())) else r{i}(v{i}))"
    return f"r{i}(v{i})"
