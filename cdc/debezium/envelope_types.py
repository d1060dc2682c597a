"""How a value of each PostgreSQL type stands in a Debezium envelope. Pure.

As Debezium's connector writes them with decimal.handling.mode=string, interval.handling.mode=string,
time.precision.mode=microseconds, binary.handling.mode=bytes and include.unknown.datatypes=true: of its modes those
that lose nothing. What would still lose something is PostgreSQL's own text, a JSON string: varbit (its leading zeros),
an infinite date, timetz with a zone other than UTC, times in arrays (Debezium cuts them to milliseconds), an array with
bounds of its own. A reader takes such a string for every type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What stands in the JSON, and what it means."""

    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BOOL = "boolean"
    TEXT = "text"
    """PostgreSQL's own text."""
    DECIMAL = "decimal"
    MONEY = "money"
    BYTES = "bytes"
    DATE = "date"
    TIME_US = "time-us"
    TIMESTAMP_US = "timestamp-us"
    TIMESTAMP_TZ = "timestamp-tz"
    TIME_TZ = "time-tz"
    INTERVAL = "interval"
    BIT = "bit"
    BITS = "bits"
    POINT = "point"
    HSTORE = "hstore"
    OPAQUE = "opaque"
    """Of a type that Debezium does not know: its text, as bytes."""


@dataclass(frozen=True)
class ValueType:
    """The type of one column, as envelopes have it."""

    kind: Kind
    logical: str = ""
    """Name of the Connect schema."""
    is_array: bool = False
    length: int = 0
    """Of BITS: how many."""
    parameters: tuple[tuple[str, str], ...] = ()

    def dump(self) -> list[Any]:
        """As JSON; `load` takes it back."""
        return [self.kind, self.logical, self.is_array, self.length]

    @classmethod
    def load(cls, said: Any) -> ValueType:
        kind, logical, is_array, length = said
        return cls(Kind(kind), str(logical), bool(is_array), int(length))


@dataclass(frozen=True)
class CatalogueType:
    """One row of pg_type, for types that are not PostgreSQL's own."""

    kind: str
    """`typtype`: b, c, d, e, p, r, m."""
    base: int = 0
    """Of a domain."""
    base_modifier: int = -1
    element: int = 0
    """Of an array."""
    labels: tuple[str, ...] = ()
    name: str = ""


_TEXT = ValueType(Kind.TEXT)
_OPAQUE = ValueType(Kind.OPAQUE)
_PLAIN: dict[int, ValueType] = {
    16: ValueType(Kind.BOOL),
    17: ValueType(Kind.BYTES),
    18: _TEXT, 19: _TEXT, 25: _TEXT, 1042: _TEXT, 1043: _TEXT,
    20: ValueType(Kind.INT64), 21: ValueType(Kind.INT16), 23: ValueType(Kind.INT32), 26: ValueType(Kind.INT64),
    114: ValueType(Kind.TEXT, "io.debezium.data.Json"), 3802: ValueType(Kind.TEXT, "io.debezium.data.Json"),
    142: ValueType(Kind.TEXT, "io.debezium.data.Xml"),
    600: ValueType(Kind.POINT, "io.debezium.data.geometry.Point"),
    650: _TEXT, 869: _TEXT, 829: _TEXT, 774: _TEXT,
    700: ValueType(Kind.FLOAT32), 701: ValueType(Kind.FLOAT64),
    790: ValueType(Kind.MONEY),
    1082: ValueType(Kind.DATE, "io.debezium.time.Date"),
    1184: ValueType(Kind.TIMESTAMP_TZ, "io.debezium.time.ZonedTimestamp"),
    1266: ValueType(Kind.TIME_TZ, "io.debezium.time.ZonedTime"),
    1186: ValueType(Kind.INTERVAL, "io.debezium.time.Interval"),
    1700: ValueType(Kind.DECIMAL),
    2950: ValueType(Kind.TEXT, "io.debezium.data.Uuid"),
    3614: ValueType(Kind.TEXT, "io.debezium.data.Tsvector"),
    1083: ValueType(Kind.TIME_US, "io.debezium.time.MicroTime"),
    1114: ValueType(Kind.TIMESTAMP_US, "io.debezium.time.MicroTimestamp"),
    3904: _TEXT, 3906: _TEXT, 3908: _TEXT, 3910: _TEXT, 3912: _TEXT, 3926: _TEXT,
}  # fmt: skip

_ARRAYS = {
    1000: 16, 1001: 17, 1002: 18, 1003: 19, 1005: 21, 1007: 23, 1009: 25, 1014: 1042, 1015: 1043, 1016: 20,
    1021: 700, 1022: 701, 1028: 26, 1040: 829, 1041: 869, 651: 650, 775: 774, 1115: 1114, 1182: 1082, 1183: 1083,
    1185: 1184, 1231: 1700, 1270: 1266, 2951: 2950, 199: 114, 3807: 3802, 3905: 3904, 3907: 3906, 3909: 3908,
    3911: 3910, 3913: 3912, 3927: 3926,
}  # fmt: skip
"""Those whose elements Debezium knows. The others are opaque."""

_NAMED = {"citext": _TEXT, "hstore": ValueType(Kind.HSTORE, "io.debezium.data.Json")}
"""Types of extensions, whose numbers differ from database to database."""


def value_type(oid: int, modifier: int, catalogue: Mapping[int, CatalogueType]) -> ValueType:
    """How values of this column stand in an envelope."""
    if oid in _PLAIN:
        return _PLAIN[oid]
    if oid == 1560:
        return _bits(modifier)
    if oid == 1562:
        return _TEXT
    if oid in _ARRAYS:
        return _array(value_type(_ARRAYS[oid], modifier, catalogue))
    return _from_catalogue(oid, modifier, catalogue)


def _from_catalogue(oid: int, modifier: int, catalogue: Mapping[int, CatalogueType]) -> ValueType:
    found = catalogue.get(oid)
    if found is None:
        return _OPAQUE
    if found.kind == "d":
        return value_type(found.base, found.base_modifier, catalogue)
    if found.kind == "e":
        return ValueType(Kind.TEXT, "io.debezium.data.Enum", parameters=(("allowed", ",".join(found.labels)),))
    if found.kind == "b" and found.element:
        element = catalogue.get(found.element)
        is_known = element is not None and (element.kind == "e" or element.name == "citext")
        return _array(_from_catalogue(found.element, modifier, catalogue)) if is_known else _OPAQUE
    return _NAMED.get(found.name, _OPAQUE)


def _bits(modifier: int) -> ValueType:
    if modifier > 1:
        return ValueType(Kind.BITS, "io.debezium.data.Bits", length=modifier, parameters=(("length", str(modifier)),))
    return ValueType(Kind.BIT)


def _array(element: ValueType) -> ValueType:
    return ValueType(element.kind, element.logical, True, element.length, element.parameters)
