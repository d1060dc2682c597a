"""The OpenAPI document: the same text on both sides, valid, served, and about exactly the routes there are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import yaml
from openapi_spec_validator import validate

import extracted.catalog
import legacy_monolith.openapi
from tests.contract.catalog.sides import Side

SERVICE = Path(inspect.getfile(extracted.catalog)).with_name("openapi.yml")
MONOLITH = Path(inspect.getfile(legacy_monolith.openapi)).with_name("catalog.yml")


def test_both_sides_promise_the_same() -> None:
    assert SERVICE.read_text() == MONOLITH.read_text()


def test_the_document_is_valid_openapi_3_1() -> None:
    described = yaml.safe_load(SERVICE.read_text())
    assert described["openapi"].startswith("3.1.")
    validate(described)


def test_the_document_is_served(side: Side) -> None:
    assert side.visitor().get("/api/catalog/openapi.json").json() == yaml.safe_load(SERVICE.read_text())


def test_every_refusal_of_the_service_has_a_status_and_is_described() -> None:
    from extracted.catalog.errors import REFUSALS as OWN
    from extracted.platform.problems import REFUSALS, Fenced, Refusal, ShadowRefused

    def kinds(kind: type[Any]) -> set[type[Any]]:
        return {kind}.union(*(kinds(child) for child in kind.__subclasses__()))

    table = {**REFUSALS, **OWN}
    # Other services may have been loaded by other tests.
    own = {kind for kind in kinds(Refusal) if kind.__module__.startswith(("extracted.platform", "extracted.catalog"))}
    assert own - {Refusal} == set(table)
    described = yaml.safe_load(SERVICE.read_text())["components"]["schemas"]["Problem"]
    named = re.findall(r"[a-z-]{4,}", described["properties"]["type"]["description"])
    # These two are answered to the proxy and to the shadow comparer, and to no client.
    assert {refusal.code for refusal in table if refusal not in (Fenced, ShadowRefused)} <= set(named)
