"""What can be asked of a domain, read from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

METHODS = ("get", "put", "post", "patch", "delete")
Schema = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    name: str
    place: str
    """`path`, `query` or `header`."""
    required: bool
    schema: Schema


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Schema | None


def operations(path: Path) -> tuple[Operation, ...]:
    """All operations of a document, with every reference resolved."""
    return tuple(_operations(yaml.safe_load(path.read_text())))


def _operations(document: Schema) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            found = item[method]
            parameters = [*item.get("parameters", ()), *found.get("parameters", ())]
            content = resolved(found.get("requestBody", {}), document).get("content", {})
            body = content.get("application/json", {}).get("schema")
            yield Operation(
                found["operationId"],
                method.upper(),
                path,
                tuple(_parameter(resolved(parameter, document)) for parameter in parameters),
                None if body is None else resolved(body, document),
            )


def _parameter(found: Schema) -> Parameter:
    return Parameter(found["name"], found["in"], bool(found.get("required")), found["schema"])


def resolved(schema: Any, document: Schema) -> Any:
    """The same with what `$ref` points to in its place. Documents of ours have no cycles."""
    if isinstance(schema, list):
        return [resolved(one, document) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target: Any = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return resolved(target, document)
    return {name: resolved(value, document) for name, value in schema.items()}
