"""SQL types as a lens speaks of them: which casts there and back lose nothing. No IO."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ALIASES = {
    "int2": "smallint",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "decimal": "numeric",
    "varchar": "character varying",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}
_INTEGERS = ("smallint", "integer", "bigint")
_STRINGS = ("text", "character varying")
_INSTANTS = ("timestamp without time zone", "timestamp with time zone")
_SHAPE = re.compile(r"(?P<name>[a-z0-9_ ]+?)\s*(\((?P<modifiers>[\d\s,]+)\))?(?P<zone> with(out)? time zone)?")

LOSSLESS = (
    "integers of any size, integer ↔ numeric(p,0), numeric(p,s) ↔ numeric(q,s), text ↔ varchar, timestamp ↔ timestamptz"
)
"""What a message says when a pair of types is refused."""


@dataclass(frozen=True)
class SqlType:
    """A type's canonical name, as format_type() writes it, and its modifiers."""

    name: str
    modifiers: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> SqlType:
        """From a plan file or from format_type(); names it does not know (`"odd".type`) stay as they are."""
        match = _SHAPE.fullmatch(text.strip())
        if match is None:
            return cls(text)
        name = match["name"] + (match["zone"] or "")
        name = _ALIASES.get(name, name)
        modifiers = tuple(int(number) for number in (match["modifiers"] or "").split(",") if number)
        if name == "numeric" and len(modifiers) == 1:
            modifiers += (0,)
        return cls(name, modifiers)

    def __str__(self) -> str:
        return self.name + (f"({','.join(map(str, self.modifiers))})" if self.modifiers else "")

    @property
    def scale(self) -> int | None:
        """Digits after the point: 0 for integers, None where each value has its own."""
        if self.name in _INTEGERS:
            return 0
        if self.name == "numeric" and self.modifiers:
            return self.modifiers[1]
        return None


def is_lossless(one: SqlType, other: SqlType) -> bool:
    """Every value of either type that the other one takes comes back as it was; what it does not take, it refuses."""
    if one == other:
        return True
    if one.name in _STRINGS and other.name in _STRINGS:
        return True
    if one.name in _INSTANTS and other.name in _INSTANTS:
        return one.modifiers == other.modifiers
    return one.scale is not None and one.scale == other.scale


def cast(expression: str, one: SqlType, other: SqlType) -> str:
    """SQL that turns a value of `one` into `other`, whatever the session's settings are."""
    if one == other:
        return expression
    if one.name in _INSTANTS:
        return f"({expression}::{one.name} AT TIME ZONE 'UTC')"
    # Without the modifiers of `other`: with them, an explicit cast cuts strings and rounds numbers silently.
    return f"{expression}::{one.name}::{other.name}"
