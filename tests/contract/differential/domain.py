"""What a domain's suite adds to its document: who asks, how a story begins, and what is noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from hypothesis.strategies import SearchStrategy


class Noise(Enum):
    """In what way values of a field may differ; fields that are not declared must be equal."""

    MOMENT = "both are moments, and in both documents the moments are in the same order"
    WORDS = "both are text for people, which the contract leaves to the implementation"
    CURSOR = "both are a cursor or both are none"
    TOKEN = "both are there or both are missing"
    WHENEVER = "both are moments or none; the sides write it in transactions of their own, so that any order is right"


@dataclass(frozen=True)
class Same:
    """An id: each side draws its own, and whenever one side says `a` the other one says its counterpart."""

    kind: str


Rule = Noise | Same
OUTSIDE = "outside"


@dataclass(frozen=True)
class Ref:
    """Stands in a step for something that an earlier answer named, the same thing on both sides."""

    kind: str
    number: int


@dataclass(frozen=True)
class Step:
    """One request; it may contain `Ref`s."""

    actor: str
    method: str
    path: str
    """With `{name}` for what `path_values` has."""
    operation: str
    path_values: tuple[tuple[str, object], ...] = ()
    query: tuple[tuple[str, object], ...] = ()
    headers: tuple[tuple[str, object], ...] = ()
    body: object = None
    has_body: bool = False

    def __str__(self) -> str:
        path = self.path.format_map({name: _shown(value) for name, value in self.path_values})
        query = "&".join(f"{name}={_shown(value)}" for name, value in self.query)
        more = "".join(f" {name}: {_shown(value)}" for name, value in self.headers)
        return f"{self.actor}: {self.method} {path}{'?' + query if query else ''}{more} {self.body!r:.300}"


def _shown(value: object) -> str:
    return f"<{value.kind} {value.number}>" if isinstance(value, Ref) else str(value)


@dataclass(frozen=True)
class Domain:
    name: str
    document: Path
    actors: tuple[str, ...]
    prelude: tuple[Step, ...]
    """How every sequence begins, so that there is something to work on."""
    hints: Mapping[str, SearchStrategy[object]]
    """Values of parameters and fields by name, where the schema alone would give only refusals."""
    learned: Mapping[str, tuple[str, str]]
    """operation → (kind, member of its answer) that later steps may refer to."""
    fields: Mapping[str, Rule]
    """Noise in bodies, by the name of the member."""
    columns: Mapping[str, Rule] = field(default_factory=dict)
    """Noise in rows, by `table.column` of the service."""
    order: Mapping[str, str] = field(default_factory=dict)
    """table of the service → the column by which its rows come in the order of the requests, if its key does not."""
    location: str = ""
    """The kind of the id at the end of a Location header."""
    skip: frozenset[str] = frozenset()
    """Operations that no sequence contains, each for a reason that its profile states."""
    outside: tuple[SearchStrategy[Step], ...] = ()
    """What may happen without a request to the sides: acts of the actor OUTSIDE, see `outside`."""
