"""Kubernetes' own schema for the kinds that our manifests use, cut out of the package kubernetes-validate.

    pip download --no-deps kubernetes-validate && unzip …; python -m tests.docs.manifests FOLDER_OF_A_VERSION

writes `manifests.json` anew (the whole package is 22 MB, and CI needs none of the rest). Kubernetes is Apache-2.0.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.docs.pages import DOCS

SCHEMA = Path(__file__).with_name("manifests.json")


def documents() -> list[dict[str, Any]]:
    """Every object of every manifest."""
    files = sorted((DOCS / "kubernetes").glob("*.yaml"))
    return [one for file in files for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def key(document: dict[str, Any]) -> str:
    return f"{document['apiVersion']} {document['kind']}"


def _file(document: dict[str, Any]) -> str:
    group, _, version = document["apiVersion"].rpartition("/")
    return "-".join(filter(None, (document["kind"].lower(), group.split(".")[0], version))) + ".json"


def _cut(value: Any, whole: dict[str, Any], kept: dict[str, Any]) -> Any:
    """`value` without prose, with references to definitions that are kept beside it."""
    if isinstance(value, list):
        return [_cut(one, whole, kept) for one in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, one in value.items():
        if name == "$ref":
            target = one.rpartition("/")[2]
            if target not in kept:
                kept[target] = {}
                kept[target] = _cut(whole[target], whole, kept)
            found[name] = f"#/definitions/{target}"
        elif not (name == "description" and isinstance(one, str)) and not name.startswith("x-"):
            found[name] = _cut(one, whole, kept)
    return found


def write(folder: Path) -> None:
    whole = json.loads((folder / "_definitions.json").read_text())
    whole = whole["$defs"]
    kept: dict[str, Any] = {}
    kinds = {}
    for document in documents():
        kinds[key(document)] = _cut(json.loads((folder / _file(document)).read_text()), whole, kept)
    text = json.dumps({"version": folder.name, "kinds": kinds, "definitions": kept}, sort_keys=True)
    SCHEMA.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
