"""Bytes of pgoutput (protocol version 1, text) to messages. Pure: no IO, no state; relations are the caller's.

One message in, one value out; anything that is not exactly one well-formed message is a MalformedMessage.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from struct import error as StructError
from typing import Final

from cdc.message_errors import MalformedMessage
from cdc.messages import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    LogicalMessage,
    Message,
    OldRow,
    Origin,
    Relation,
    Row,
    SourceColumn,
    Truncate,
    TypeName,
    Update,
)

_begin = Struct("!QqI").unpack_from
_commit = Struct("!BQQq").unpack_from
_lsn = Struct("!Q").unpack_from
_oid = Struct("!I").unpack_from
_count = Struct("!H").unpack_from
_type = Struct("!Ii").unpack_from
_message = Struct("!BQ").unpack_from

_T, _N, _U = b"tnu"
_NEW = ord("N")


def decode(data: bytes) -> Message:
    """The message in `data`, all of it."""
    reader = _READERS.get(data[0]) if data else None
    if reader is None:
        raise MalformedMessage("unknown kind", data, 0)
    try:
        message, end = reader(data)
    except _Wrong as error:
        raise MalformedMessage(str(error), data, error.at) from error
    except (StructError, IndexError) as error:
        raise MalformedMessage("it ends too early", data, len(data)) from error
    if end != len(data):
        raise MalformedMessage(f"it should end at byte {end}", data, min(end, len(data)))
    return message


class _Wrong(Exception):
    """What cannot be there, and at which byte."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason)
        self.at = at


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(0, at)
    if end < 0:
        raise _Wrong("a text without an end", min(at, len(data)))
    try:
        return data[at:end].decode(), end + 1
    except UnicodeDecodeError as error:
        raise _Wrong("a text that is not UTF-8", at + error.start) from error


def _row(data: bytes, at: int) -> tuple[Row, int]:
    """The hot loop. A length beyond the end makes `at` run past it, which `decode` notices."""
    (count,) = _count(data, at)
    at += 2
    row: Row = []
    add = row.append
    for _ in range(count):
        kind = data[at]
        if kind == _T:
            end = at + 5 + _oid(data, at + 1)[0]
            add(data[at + 5 : end])
            at = end
        elif kind == _N:
            add(None)
            at += 1
        elif kind == _U:
            add(UNCHANGED)
            at += 1
        else:
            raise _Wrong(f"unknown kind of value {kind}", at)
    return row, at


_OLD: Final = {ord("K"): OldRow.KEY, ord("O"): OldRow.FULL}


def _read_begin(data: bytes) -> tuple[Message, int]:
    return Begin(*_begin(data, 1)), 21


def _read_commit(data: bytes) -> tuple[Message, int]:
    _flags, lsn, end_lsn, time = _commit(data, 1)
    return Commit(lsn, end_lsn, time), 26


def _read_origin(data: bytes) -> tuple[Message, int]:
    name, at = _text(data, 9)
    return Origin(_lsn(data, 1)[0], name), at


def _read_relation(data: bytes) -> tuple[Message, int]:
    schema, at = _text(data, 5)
    name, at = _text(data, at)
    identity = chr(data[at])
    (count,) = _count(data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        is_identity = data[at] & 1 == 1
        column, at = _text(data, at + 1)
        type_oid, modifier = _type(data, at)
        at += 8
        columns.append(SourceColumn(column, type_oid, modifier, is_identity))
    return Relation(_oid(data, 1)[0], schema or "pg_catalog", name, identity, tuple(columns)), at


def _read_type(data: bytes) -> tuple[Message, int]:
    schema, at = _text(data, 5)
    name, at = _text(data, at)
    return TypeName(_oid(data, 1)[0], schema or "pg_catalog", name), at


def _read_insert(data: bytes) -> tuple[Message, int]:
    if data[5] != _NEW:
        raise _Wrong("no b'N'", 5)
    row, at = _row(data, 6)
    return Insert(_oid(data, 1)[0], row), at


def _read_update(data: bytes) -> tuple[Message, int]:
    if data[5] == _NEW:
        new, at = _row(data, 6)
        return Update(_oid(data, 1)[0], OldRow.ABSENT, [], new), at
    if data[5] not in _OLD:
        raise _Wrong("no b'N'", 5)
    old, at = _row(data, 6)
    if data[at] != _NEW:
        raise _Wrong("no b'N'", at)
    new, end = _row(data, at + 1)
    return Update(_oid(data, 1)[0], _OLD[data[5]], old, new), end


def _read_delete(data: bytes) -> tuple[Message, int]:
    if data[5] not in _OLD:
        raise _Wrong("a deletion without the old row", 5)
    old, at = _row(data, 6)
    return Delete(_oid(data, 1)[0], _OLD[data[5]], old), at


def _read_truncate(data: bytes) -> tuple[Message, int]:
    (count,) = _oid(data, 1)
    end = 6 + 4 * count
    if end > len(data):
        raise _Wrong("it ends inside the list of tables", len(data))
    relations = tuple(_oid(data, at)[0] for at in range(6, end, 4))
    return Truncate(relations, bool(data[5] & 1), bool(data[5] & 2)), end


def _read_message(data: bytes) -> tuple[Message, int]:
    flags, lsn = _message(data, 1)
    prefix, at = _text(data, 10)
    end = at + 4 + _oid(data, at)[0]
    return LogicalMessage(flags & 1 == 1, lsn, prefix, data[at + 4 : end]), end


_READERS: Final[dict[int, Callable[[bytes], tuple[Message, int]]]] = {
    ord("B"): _read_begin,
    ord("C"): _read_commit,
    ord("O"): _read_origin,
    ord("R"): _read_relation,
    ord("Y"): _read_type,
    ord("I"): _read_insert,
    ord("U"): _read_update,
    ord("D"): _read_delete,
    ord("T"): _read_truncate,
    ord("M"): _read_message,
}
