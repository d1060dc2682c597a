"""Generated requests: mostly right, as the document has it, and now and then wrong in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.contract.differential.document import Operation, Parameter, Schema
from tests.contract.differential.domain import Domain, Ref, Step

Hints = Mapping[str, SearchStrategy[object]]

MACHINE = "visitor"
KEYS = tuple(f"{number:08x}-0000-4000-8000-000000000000" for number in range(1, 4))
"""So few that keys are used again."""
WRONG: SearchStrategy[object] = st.sampled_from(
    [None, True, -1, 0, 1.5, "", " ", "x", "a\x00b", [], {}, 10**18, "9" * 30, "é" * 201]
)


def sequences(domain: Domain, operations: tuple[Operation, ...], longest: int) -> SearchStrategy[list[Step]]:
    chosen = [operation for operation in operations if operation.id not in domain.skip]
    kinds = [*(step(domain, one) for one in chosen), *domain.outside]
    later = st.lists(st.sampled_from(kinds).flatmap(lambda kind: kind), min_size=1, max_size=longest)
    return later.map(lambda steps: [*domain.prelude, *steps])


@st.composite
def step(draw: DrawFn, domain: Domain, operation: Operation) -> Step:
    asked = {place: _parameters(draw, operation, place, domain.hints) for place in ("path", "query", "header")}
    body = None if operation.body is None else draw(_body(operation.body, domain.hints))
    return Step(
        # Other domains ask without a session; nobody with a browser reaches the internal listener.
        MACHINE if operation.path.startswith("/internal/") else draw(st.sampled_from(domain.actors)),
        operation.method,
        operation.path,
        operation.id,
        asked["path"],
        asked["query"],
        tuple((name, value if isinstance(value, Ref) else str(value)) for name, value in asked["header"]),
        body,
        operation.body is not None,
    )


def _parameters(draw: DrawFn, operation: Operation, place: str, hints: Hints) -> tuple[tuple[str, Any], ...]:
    """All that are required and a few of the others: many filters at once find nothing."""
    found = [one for one in operation.parameters if one.place == place]
    optional = [one for one in found if not one.required]
    few = draw(st.lists(st.sampled_from(optional), max_size=3, unique_by=lambda one: one.name)) if optional else []
    return tuple((one.name, draw(_parameter(one, hints))) for one in found if one.required or one in few)


def _parameter(parameter: Parameter, hints: Hints) -> SearchStrategy[object]:
    right = value(parameter.name, parameter.schema, hints)
    if parameter.place != "query":
        return right
    # One in ten is wrong in a way that a query can be.
    return st.integers(0, 9).flatmap(lambda n: right if n else st.sampled_from(["", "0", "-1", "x", "1e3", "00"]))


@st.composite
def _body(draw: DrawFn, schema: Schema, hints: Hints) -> object:
    body = draw(value("", schema, hints))
    if not isinstance(body, dict) or draw(st.integers(0, 5)):
        return body
    how = draw(st.sampled_from(["drop", "spoil", "add"]))
    names = sorted(body)
    if how == "add" or not names:
        return {**body, "unexpected": 1}
    name = draw(st.sampled_from(names))
    if how == "drop":
        return {other: kept for other, kept in body.items() if other != name}
    return {**body, name: draw(WRONG)}


def value(name: str, schema: Schema, hints: Hints) -> SearchStrategy[Any]:
    """A value that the schema allows; a hint for this name says which ones are worth asking."""
    if name in hints:
        return hints[name]
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "oneOf" in schema or "anyOf" in schema:
        return st.one_of([value(name, one, hints) for one in schema.get("oneOf") or schema["anyOf"]])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([_of_type(kind, schema, hints) for kind in kinds])


def _of_type(kind: str, schema: Schema, hints: Hints) -> SearchStrategy[Any]:
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            bounds = schema.get("minimum", -(10**9)), schema.get("maximum", 10**9)
            return st.one_of(st.integers(*bounds), st.sampled_from(bounds))
        case "array":
            items = value("", schema["items"], hints)
            return st.lists(items, min_size=schema.get("minItems", 0), max_size=min(3, schema.get("maxItems", 3)))
        case "object":
            return _object(schema, hints)
    return _string(schema)


@st.composite
def _object(draw: DrawFn, schema: Schema, hints: Hints) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    names = [name for name in properties if name in required or draw(st.booleans())]
    return {name: draw(value(name, properties[name], hints)) for name in names}


def _string(schema: Schema) -> SearchStrategy[str]:
    if schema.get("format") == "uuid":
        return st.sampled_from(KEYS)
    if pattern := schema.get("pattern"):
        if pattern.startswith("^"):
            return st.from_regex(re.compile(pattern), fullmatch=True)
        return st.sampled_from(["Oak", "A chair", "é", " padded "])
    longest = min(schema.get("maxLength", 20), 20)
    letters = st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cs", "Cc"])
    return st.text(letters, min_size=schema.get("minLength", 0), max_size=longest)
