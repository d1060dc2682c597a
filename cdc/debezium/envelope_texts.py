"""A value of an envelope's JSON back to PostgreSQL's text. Pure; ValueError for what cannot be meant."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import orjson

from cdc.debezium import envelope_times
from cdc.debezium.envelope_types import Kind, ValueType

Read = Callable[[Any], bytes]


def reader(value: ValueType) -> Read:
    """What reads values of this type. A JSON string where the type is written otherwise is PostgreSQL's own text."""
    read = _bits(value.length) if value.kind is Kind.BITS else _READERS[value.kind]
    return _array(read) if value.is_array else read


def _text(said: Any) -> bytes:
    if said.__class__ is not str:
        raise ValueError("no text")
    if "\0" in said:
        raise ValueError("a text with a zero byte")
    return str(said).encode()


def _int(said: Any) -> bytes:
    if said.__class__ is int:
        return b"%d" % said
    return _text(said)


def _float(said: Any) -> bytes:
    if said.__class__ is float or said.__class__ is int:
        return repr(said).encode()
    return _text(said)


def _bool(said: Any) -> bytes:
    if said is True:
        return b"t"
    if said is False:
        return b"f"
    return _text(said)


def _base64(said: Any) -> bytes:
    return b64decode(_text(said), validate=True)


def _bytes(said: Any) -> bytes:
    return b"\\x" + _base64(said).hex().encode()


def _opaque(said: Any) -> bytes:
    found = _base64(said)
    found.decode()
    return found


def _counted(show: Callable[[int], str]) -> Read:
    def read(said: Any) -> bytes:
        return show(said).encode() if said.__class__ is int else _text(said)

    return read


def _zoned(said: Any) -> bytes:
    return envelope_times.zoned_text(_text(said).decode()).encode()


def _bit(said: Any) -> bytes:
    if said is True:
        return b"1"
    if said is False:
        return b"0"
    return _text(said)


def _bits(length: int) -> Read:
    def read(said: Any) -> bytes:
        number = int.from_bytes(_base64(said), "little")
        return f"{number:0{length}b}".encode()

    return read


def _point(said: Any) -> bytes:
    if said.__class__ is not dict:
        return _text(said)
    return b"(%b,%b)" % (_float(said.get("x")), _float(said.get("y")))


def _hstore(said: Any) -> bytes:
    pairs = orjson.loads(_text(said))
    if pairs.__class__ is not dict:
        raise ValueError("no pairs")
    return ", ".join(
        f"{_quoted(key)}=>{'NULL' if one is None else _quoted(one)}" for key, one in pairs.items()
    ).encode()


def _quoted(said: Any) -> str:
    escaped = _text(said).decode().replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _array(read: Read) -> Read:
    def element(said: Any) -> bytes:
        if said is None:
            return b"NULL"
        if said.__class__ is list:
            return literal(said)
        escaped = read(said).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        return b'"%b"' % escaped

    def literal(said: list[Any]) -> bytes:
        return b"{%b}" % b",".join([element(one) for one in said])

    def whole(said: Any) -> bytes:
        return literal(said) if said.__class__ is list else _text(said)

    return whole


_READERS: dict[Kind, Read] = {
    Kind.INT16: _int,
    Kind.INT32: _int,
    Kind.INT64: _int,
    Kind.FLOAT32: _float,
    Kind.FLOAT64: _float,
    Kind.BOOL: _bool,
    Kind.TEXT: _text,
    Kind.DECIMAL: _text,
    Kind.MONEY: _text,
    Kind.BYTES: _bytes,
    Kind.DATE: _counted(envelope_times.date_text),
    Kind.TIME_US: _counted(envelope_times.clock_text),
    Kind.TIMESTAMP_US: _counted(envelope_times.timestamp_text),
    Kind.TIMESTAMP_TZ: _zoned,
    Kind.TIME_TZ: _text,
    Kind.INTERVAL: _text,
    Kind.BIT: _bit,
    Kind.POINT: _point,
    Kind.HSTORE: _hstore,
    Kind.OPAQUE: _opaque,
}
