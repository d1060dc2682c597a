"""Two records of one change, step by step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cdc.debezium.envelope_differences import DIFFERENCES, Difference
from tests.integration.cdc.debezium.captures import Told

ABSENT = "<absent>"


class Found(NamedTuple):
    """One place where they are not equal."""

    table: str
    place: tuple[str, ...]
    ours: Any
    theirs: Any


def differences(table: str, ours: Told, theirs: Told) -> Iterator[Found]:
    """What the two say differently; of keys and values, the order of fields, too."""
    for place, one, other in _walk(_parts(ours), _parts(theirs), ()):
        yield Found(table, place, one, other)


def _parts(told: Told) -> dict[str, Any]:
    """Key and value apart from their schemas."""
    parts: dict[str, Any] = {"headers": dict(told.headers)}
    for name, said in (("key", told.key), ("value", told.value)):
        if isinstance(said, dict) and said.keys() == {"schema", "payload"}:
            parts[name] = said["payload"]
            parts.setdefault("schema", {})[name] = said["schema"]
        else:
            parts[name] = said
    collections = parts["value"].get("data_collections") if isinstance(parts["value"], dict) else None
    if collections:  # Debezium has them in no order.
        parts["value"]["data_collections"] = sorted(collections, key=lambda one: one["data_collection"])
    return parts


def _walk(one: Any, other: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        common = [name for name in one if name in other]
        if place[:1] != ("schema",) and common != [name for name in other if name in one]:
            yield (*place, "order"), list(one), list(other)
        for name in {**one, **other}:
            yield from _walk(one.get(name, ABSENT), other.get(name, ABSENT), (*place, str(name)))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (here, there) in enumerate(zip(one, other, strict=True)):
            # Fields of a schema by their names, elements of an array as the array.
            step = (str(here["field"]),) if isinstance(here, dict) and "field" in here else ()
            yield from _walk(here, there, (*place, *(step or ((str(number),) if isinstance(here, dict) else ()))))
    elif one != other or type(one) is not type(other):
        yield place, one, other


def explanation(found: Found, types: Mapping[str, str]) -> Difference | None:
    """The entry of the list that says so; `types` by the names of the table's columns."""
    steps = "/".join(f"<{types[step]}>" if step in types else step for step in found.place)
    for difference in DIFFERENCES:
        if _pattern(difference.place).fullmatch(steps) and difference.ours in ("", found.ours):
            return difference
    return None


def _pattern(place: str) -> re.Pattern[str]:
    steps = {"**": ".*", "*": "[^/]+"}
    return re.compile("/".join(steps.get(step) or re.escape(step) for step in place.split("/")))
