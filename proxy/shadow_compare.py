"""Compare three answers to one question: the monolith's, the service's, the monolith's again. Pure.

Where the monolith's two answers differ from each other, it says nothing that the service could be held to: that is
noise. Where they agree and the service's differs, that is a difference. Both are named by field paths such as
`items[].price`, never by values; the values go along beside them, for whoever masks and keeps them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

MISSING = object()
"""The value where there is none; JSON's null is None."""

BODY, ORDER, LENGTH, STATUS = "(body)", "(order)", "(length)", "(status)"
LONGEST_PATH = 200
DEEPEST = 100
_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]{0,39}")


@dataclass(frozen=True)
class Answer:
    """One side's answer. Status 0: there was none."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Difference:
    """One field where two answers differ."""

    path: str
    monolith: object = field(repr=False)
    service: object = field(repr=False)


@dataclass(frozen=True)
class Comparison:
    """What one sample says. `raw`: monolith against service; `noise`: monolith against monolith (field paths)."""

    raw: frozenset[str]
    noise: frozenset[str]
    differences: tuple[Difference, ...] = field(repr=False)

    @property
    def matches(self) -> bool:
        return not self.differences


def compare(first: Answer, service: Answer, second: Answer, headers: Sequence[str]) -> Comparison:
    """`headers`: names, in lower case, of those that have to be equal as well.

    A difference counts only where the monolith's answers agree; a field below one that is noise (an element of a list
    whose order is chance) is noise, too.
    """
    raw = {one.path: one for one in _differences(first, service, headers)}
    noise = frozenset(one.path for one in _differences(first, second, headers))
    real = tuple(raw[path] for path in sorted(raw) if not _noisy(path, noise))
    return Comparison(frozenset(raw), noise, real)


def _noisy(path: str, noise: frozenset[str]) -> bool:
    """Is this path noise, or part of something that is?"""
    # Of a list whose order or length is chance, no element has a counterpart.
    places = {one.removesuffix(f".{ORDER}").removesuffix(f".{LENGTH}") for one in noise}
    return any(path == place or path.startswith((f"{place}.", f"{place}[]")) for place in places)


def _differences(one: Answer, other: Answer, headers: Sequence[str]) -> Iterator[Difference]:
    if one.status != other.status:
        # Two answers of different kinds have no fields in common.
        yield Difference(STATUS, one.status, other.status)
        return
    for name in headers:
        mine, theirs = _header(one, name), _header(other, name)
        if mine != theirs:
            yield Difference(f"(header {name})", mine, theirs)
    mine, theirs = _content(one), _content(other)
    if isinstance(mine, bytes) or isinstance(theirs, bytes):
        if one.body != other.body:
            yield Difference(BODY, one.body.decode("utf-8", "replace"), other.body.decode("utf-8", "replace"))
        return
    found: dict[str, Difference] = {}
    for difference in _walk("", mine, theirs):
        found.setdefault(difference.path, difference)
    yield from found.values()


def _header(answer: Answer, name: str) -> object:
    value = answer.headers.get(name)
    # `application/json; charset=utf-8` and `application/json;charset=UTF-8` are the same.
    return MISSING if value is None else re.sub(r"\s*([;,])\s*", r"\1", value.strip()).lower()


def _content(answer: Answer) -> Any:
    """The JSON value of a body that has one, else the bytes."""
    if "json" not in answer.headers.get("content-type", ""):
        return answer.body
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return answer.body
    return found if _depth(answer.body) < DEEPEST else answer.body


def _depth(body: bytes) -> int:
    """At most so deep; brackets inside of texts count as well."""
    return max(accumulate((1 if sign in b"[{" else -1 if sign in b"]}" else 0) for sign in body), default=0)


def _walk(path: str, one: Any, other: Any) -> Iterator[Difference]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _walk(_below(path, key), one.get(key, MISSING), other.get(key, MISSING))
    elif isinstance(one, list) and isinstance(other, list):
        yield from _walk_lists(f"{path}[]", one, other)
    elif not _same(one, other):
        yield Difference(path or BODY, one, other)


def _walk_lists(path: str, one: list[Any], other: list[Any]) -> Iterator[Difference]:
    if len(one) != len(other):
        # What is an element's counterpart is unknown from here on.
        yield Difference(f"{path}.{LENGTH}", len(one), len(other))
    elif one != other and sorted(map(_text, one)) == sorted(map(_text, other)):
        yield Difference(f"{path}.{ORDER}", MISSING, MISSING)
    else:
        for mine, theirs in zip(one, other, strict=True):
            yield from _walk(path, mine, theirs)


def _same(one: Any, other: Any) -> bool:
    """1 and 1.0 are the same number; true and 1 are not the same, nor are 1 and "1"."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _below(path: str, key: str) -> str:
    """Keys that are no plain names (ids, addresses: perhaps somebody's) are all called {key}."""
    name = key if _NAME.fullmatch(key) else "{key}"
    return f"{path}.{name}"[:LONGEST_PATH] if path else name
