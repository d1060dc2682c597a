"""The closed set of ways in which one service column and its monolith columns say the same. No IO.

Each combinator compiles to SQL both ways. A value without a counterpart makes the statement fail: the text of the
refusal is cast to boolean, which PostgreSQL answers with the text in the message; no function has to be installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cdc.lens.types import SqlType, cast

Expressions: TypeAlias = tuple[tuple[str, str], ...]
"""(monolith column, SQL over the service column's placeholder)."""


def literal(text: str) -> str:
    """An SQL string literal, safe inside an expression with placeholders."""
    return "'" + text.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"


def placeholder(column: str) -> str:
    return "{" + column + "}"


def _refusal(what: str, shown: str) -> str:
    return f"CAST(concat({literal(f'no counterpart of {what} = ')}, {shown}) AS boolean)"


def _case(subject: str, pairs: Iterable[tuple[str, str]], otherwise: str) -> str:
    return f"CASE {subject} {' '.join(f'WHEN {one} THEN {other}' for one, other in pairs)} ELSE {otherwise} END"


def _translated(column: str, pairs: Mapping[str, str]) -> str:
    """One label for another as text; NULL stays NULL."""
    value = f"{placeholder(column)}::text"
    labels = [(literal(one), literal(other)) for one, other in pairs.items()]
    return f"CASE WHEN {value} IS NOT NULL THEN {_case(value, labels, _refusal(column, value) + '::text')} END"


@dataclass(frozen=True)
class Rename:
    """The same value of the same type under another name."""

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def forward(self) -> str:
        return placeholder(self.column)

    def backward(self, service: str) -> Expressions:
        return ((self.column, placeholder(service)),)


@dataclass(frozen=True)
class Cast:
    """The same value in another type, from a list of pairs that lose nothing."""

    column: str
    to: SqlType
    back: SqlType

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def forward(self) -> str:
        return cast(placeholder(self.column), self.back, self.to)

    def backward(self, service: str) -> Expressions:
        return ((self.column, cast(placeholder(service), self.to, self.back)),)


@dataclass(frozen=True)
class Scale:
    """A decimal with a fixed number of digits after the point, and the integer that counts its last digit."""

    column: str
    digits: int

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def forward(self) -> str:
        return f"({placeholder(self.column)}::numeric * {10**self.digits})::bigint"

    def backward(self, service: str) -> Expressions:
        # Times 0.01, not through 100: division rounds large numbers.
        unit = f"0.{'1'.rjust(self.digits, '0')}"
        return ((self.column, f"({placeholder(service)}::numeric * {unit})"),)


@dataclass(frozen=True)
class Enum:
    """Labels for labels, one for one; either end is an enum type or text that a CHECK confines."""

    column: str
    values: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def forward(self) -> str:
        return _translated(self.column, self.values)

    def backward(self, service: str) -> Expressions:
        return ((self.column, _translated(service, {new: old for old, new in self.values.items()})),)


@dataclass(frozen=True)
class Flags:
    """n booleans that together are one label; `values` has an entry for each of their 2ⁿ states."""

    columns: tuple[str, ...]
    values: Mapping[tuple[bool, ...], str]

    def forward(self) -> str:
        flags = [f"{placeholder(column)}::boolean::text" for column in self.columns]
        states = [(literal(written(state)), literal(label)) for state, label in self.values.items()]
        # A NULL flag makes the subject NULL, which no state matches; concat() then shows the others.
        refusal = _refusal(",".join(self.columns), ", ',', ".join(flags)) + "::text"
        return _case("(" + " || ',' || ".join(flags) + ")", states, refusal)

    def backward(self, service: str) -> Expressions:
        value = f"{placeholder(service)}::text"

        def one(number: int) -> str:
            labels = [(literal(label), str(state[number]).lower()) for state, label in self.values.items()]
            return _case(value, labels, _refusal(service, value))

        return tuple((column, one(number)) for number, column in enumerate(self.columns))


@dataclass(frozen=True)
class Constant:
    """A column that exists on one side only and has one value there."""

    value: str

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    def forward(self) -> str:
        return f"{literal(self.value)}::text"

    def backward(self, service: str) -> Expressions:
        return ()


Combinator: TypeAlias = Rename | Cast | Scale | Enum | Flags | Constant


def written(state: tuple[bool, ...]) -> str:
    """A state of flags as plan files write it: `true,false`."""
    return ",".join(str(flag).lower() for flag in state)
