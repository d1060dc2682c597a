"""The OpenAPI document: the same text on both sides, served, and about exactly the routes and refusals there are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import yaml

import extracted.users
import legacy_monolith.openapi
from tests.contract.users.sides import Side

SERVICE = Path(inspect.getfile(extracted.users)).with_name("openapi.yml")
MONOLITH = Path(inspect.getfile(legacy_monolith.openapi)).with_name("users.yml")


def test_both_sides_promise_the_same() -> None:
    assert SERVICE.read_text() == MONOLITH.read_text()


def test_the_document_is_served(side: Side) -> None:
    assert side.visitor().get("/api/users/openapi.json").json() == yaml.safe_load(SERVICE.read_text())


def test_every_route_of_the_document_is_there(side: Side) -> None:
    for path, item in yaml.safe_load(SERVICE.read_text())["paths"].items():
        for method in item:
            answer = side.visitor().send(method.upper(), path.replace("{id}", "1"), {})
            assert answer.status not in (405, 500), f"{method} {path}: {answer}"
            assert "Nothing is found at this address" not in answer.body.decode()


def test_every_refusal_of_the_service_is_described() -> None:
    from extracted.users.errors import REFUSALS

    named = set(re.findall(r"[a-z-]{4,}", SERVICE.read_text()))
    assert {refusal.code for refusal in REFUSALS} <= named
