"""`docs/reference/api/…`: what each service answers, printed from its OpenAPI document.

python -m tests.docs.api_reference
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.docs.pages import DOCS
from tests.support.stack import PROJECT

FOLDER = DOCS / "reference" / "api"
_METHODS = ("get", "post", "put", "patch", "delete")
_PRINTED = "<!-- Printed from the service's OpenAPI document: python -m tests.docs.api_reference -->"


def documents() -> dict[str, Path]:
    """Of each domain; the service and the monolith keep the same one (tests/contract)."""
    return {file.parent.name: file for file in sorted((PROJECT / "extracted").glob("*/openapi.yml"))}


def _resolved(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    found: Any = document
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _who(operation: dict[str, Any], document: dict[str, Any]) -> str:
    ways = operation.get("security", document.get("security", [{}]))
    return " or ".join(" and ".join(way) or "anybody" for way in ways) or "anybody"


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield from (f"## {method.upper()} {path}", "", operation.get("summary", ""), "")
    if text := operation.get("description", "").strip():
        yield from (text, "")
    yield from (f"Asked by: {_who(operation, document)}.", "")
    if parameters := [_resolved(document, one) for one in operation.get("parameters", [])]:
        yield from ("| parameter | in | meaning |", "|---|---|---|")
        for one in parameters:
            yield f"| `{one['name']}` | {one['in']} | {_cell(one.get('description', '')) or '–'} |"
        yield ""
    yield from ("| answer | meaning |", "|---|---|")
    for status, answer in operation["responses"].items():
        yield f"| {status} | {_cell(_resolved(document, answer).get('description', ''))} |"
    yield ""


def page(domain: str) -> str:
    """One domain's."""
    document = yaml.safe_load(documents()[domain].read_text(encoding="utf-8"))
    lines = [f"# API of {domain}", "", _PRINTED, "", document["info"].get("description", "").strip(), ""]
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                lines += _operation(document, path, method, item[method])
    return "\n".join(lines)


def write() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for domain in documents():
        (FOLDER / f"{domain}.md").write_text(page(domain), encoding="utf-8")


if __name__ == "__main__":
    write()
