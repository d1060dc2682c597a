"""A value's PostgreSQL text to its JSON in an envelope. Pure."""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Callable
from functools import partial

import orjson

from cdc.debezium import envelope_times
from cdc.debezium.envelope_types import Kind, ValueType

UNAVAILABLE = "__debezium_unavailable_value"
"""Stands for a large value that did not change and was not sent."""

Write = Callable[[bytes], bytes]

BOOLS = {b"t": b"true", b"f": b"false"}
_BITS = {b"1": b"true", b"0": b"false"}

_INTERVAL = re.compile(
    r"(?:([-+]?\d+) years? ?)?(?:([-+]?\d+) mons? ?)?(?:([-+]?\d+) days? ?)?(?:([-+]?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?)?"
)


def writer(value: ValueType) -> Write:
    """What writes values of this type as JSON."""
    if value.is_array:
        return partial(_array, _WRITERS[value.kind])
    return _WRITERS[value.kind]


def unavailable(value: ValueType) -> bytes:
    """The JSON that stands for a value which was not sent."""
    if value.is_array:
        return orjson.dumps([UNAVAILABLE])
    if value.kind in (Kind.BYTES, Kind.OPAQUE):
        return orjson.dumps(b64encode(UNAVAILABLE.encode()).decode())
    return orjson.dumps(UNAVAILABLE)


def fallback(value: ValueType) -> bytes:
    """The JSON of a column that cannot be null, where nothing is known of it."""
    return b"[]" if value.is_array else _FALLBACKS.get(value.kind, b'""')


def text(value: bytes) -> bytes:
    return orjson.dumps(value.decode())


def _as_is(value: bytes) -> bytes:
    return value


def _quoted(value: bytes) -> bytes:
    return b'"%b"' % value


def _float(value: bytes) -> bytes:
    if value[-1:].isdigit():
        return value if value != b"-0" else b"-0.0"
    return b'"%b"' % value


def _bool(value: bytes) -> bytes:
    return BOOLS[value]


def _money(value: bytes) -> bytes:
    return b'"%b"' % value.replace(b"$", b"").replace(b",", b"")


def _bytes(value: bytes) -> bytes:
    return b'"%b"' % b64encode(bytes.fromhex(value[2:].decode()))


def _opaque(value: bytes) -> bytes:
    return b'"%b"' % b64encode(value)


def _counted(count: Callable[[str], int | None], value: bytes) -> bytes:
    counted = count(value.decode())
    return text(value) if counted is None else b"%d" % counted


def _timestamp_tz(value: bytes) -> bytes:
    return b'"%b"' % envelope_times.zoned(value.decode()).encode()


def _time_tz(value: bytes) -> bytes:
    """With the zone that it has: Debezium would shift it to UTC, which is another value."""
    if value.endswith(b"+00"):
        return b'"%bZ"' % value[:-3]
    return b'"%b:00"' % value if value[-3:-2] in (b"+", b"-") else text(value)


def _interval(value: bytes) -> bytes:
    """The parts as ISO 8601 has them, each with its own sign."""
    found = _INTERVAL.fullmatch(value.decode())
    if found is None:  # Infinite.
        return text(value)
    years, months, days, said, hours, minutes, seconds, fraction = found.groups()
    sign = "-" if said == "-" else ""
    parts = [int(part or 0) for part in (years, months, days)]
    clock = [int(f"{sign}{part or 0}") for part in (hours, minutes)] if hours else [0, 0]
    second = f"{sign if hours and int(seconds + (fraction or '')) else ''}{int(seconds or 0)}"
    tail = f".{fraction.rstrip('0')}" if fraction and fraction.strip("0") else ""
    return f'"P{parts[0]}Y{parts[1]}M{parts[2]}DT{clock[0]}H{clock[1]}M{second}{tail}S"'.encode()


def _bit(value: bytes) -> bytes:
    return _BITS[value]


def _bits(value: bytes) -> bytes:
    """The lowest bit first, without the zeros above the highest one that is set."""
    number = int(value, 2)
    return b'"%b"' % b64encode(number.to_bytes((number.bit_length() + 7) // 8, "little"))


def _point(value: bytes) -> bytes:
    x, y = (float(part) for part in value.decode()[1:-1].split(","))
    wkb = b64encode(struct.pack("<BIdd", 1, 1, x, y)).decode()
    return orjson.dumps({"x": x, "y": y, "wkb": wkb, "srid": None})


_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"=>(?:NULL|"((?:[^"\\]|\\.)*)")', re.DOTALL)


def _hstore(value: bytes) -> bytes:
    pairs = {_plain(key): None if said is None else _plain(said) for key, said in _hstore_pairs(value.decode())}
    return orjson.dumps(orjson.dumps(pairs).decode())


def _hstore_pairs(value: str) -> list[tuple[str, str | None]]:
    return [(found[1], found[2]) for found in _PAIR.finditer(value)]


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)


def _array(write: Write, value: bytes) -> bytes:
    """An array literal as JSON; one with bounds of its own stays a text."""
    if not value.startswith(b"{"):
        return text(value)
    return b"".join(_elements(write, value))


_ELEMENT = re.compile(rb'"((?:[^"\\]|\\.)*)"|([^,{}]+)|([{},])', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_BRACKETS = {b"{": b"[", b"}": b"]", b",": b","}


def _elements(write: Write, value: bytes) -> list[bytes]:
    parts = []
    for found in _ELEMENT.finditer(value):
        quoted, plain, bracket = found.groups()
        if bracket is not None:
            parts.append(_BRACKETS[bracket])
        elif plain is not None:
            parts.append(b"null" if plain == b"NULL" else write(plain))
        else:
            parts.append(write(_ESCAPED.sub(rb"\1", quoted)))
    return parts


_WRITERS: dict[Kind, Write] = {
    Kind.INT16: _as_is,
    Kind.INT32: _as_is,
    Kind.INT64: _as_is,
    Kind.FLOAT32: _float,
    Kind.FLOAT64: _float,
    Kind.BOOL: _bool,
    Kind.TEXT: text,
    Kind.DECIMAL: _quoted,
    Kind.MONEY: _money,
    Kind.BYTES: _bytes,
    Kind.DATE: partial(_counted, envelope_times.days),
    Kind.TIME_US: partial(_counted, envelope_times.clock),
    Kind.TIMESTAMP_US: partial(_counted, envelope_times.microseconds),
    Kind.TIMESTAMP_TZ: _timestamp_tz,
    Kind.TIME_TZ: _time_tz,
    Kind.INTERVAL: _interval,
    Kind.BIT: _bit,
    Kind.BITS: _bits,
    Kind.POINT: _point,
    Kind.HSTORE: _hstore,
    Kind.OPAQUE: _opaque,
}

_FALLBACKS: dict[Kind, bytes] = {
    **dict.fromkeys((Kind.INT16, Kind.INT32, Kind.INT64, Kind.DATE, Kind.TIME_US, Kind.TIMESTAMP_US), b"0"),
    **dict.fromkeys((Kind.FLOAT32, Kind.FLOAT64), b"0.0"),
    **dict.fromkeys((Kind.BOOL, Kind.BIT), b"false"),
    Kind.DECIMAL: b'"0"',
    Kind.MONEY: b'"0.00"',
    Kind.TIMESTAMP_TZ: b'"1970-01-01T00:00:00Z"',
    Kind.TIME_TZ: b'"00:00:00Z"',
    Kind.INTERVAL: b'"P0Y0M0DT0H0M0S"',
    Kind.POINT: _point(b"(0,0)"),
    Kind.HSTORE: b'"{}"',
}
"""All others: an empty string."""
