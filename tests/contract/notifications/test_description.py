"""The OpenAPI document: the same text on both sides, valid, served, and naming every refusal."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import yaml
from openapi_spec_validator import validate

import extracted.notifications
import legacy_monolith.openapi
from tests.contract.notifications.sides import Side

SERVICE = Path(inspect.getfile(extracted.notifications)).with_name("openapi.yml")
MONOLITH = Path(inspect.getfile(legacy_monolith.openapi)).with_name("notifications.yml")


def test_both_sides_promise_the_same() -> None:
    assert SERVICE.read_text() == MONOLITH.read_text()
    validate(yaml.safe_load(SERVICE.read_text()))


def test_the_document_is_served(side: Side) -> None:
    assert side.visitor().get("/api/notifications/openapi.json").json() == yaml.safe_load(SERVICE.read_text())


def test_every_refusal_of_the_service_is_described() -> None:
    from extracted.notifications.errors import REFUSALS as OWN
    from extracted.platform.problems import REFUSALS, Fenced, ShadowRefused

    described = yaml.safe_load(SERVICE.read_text())["components"]["schemas"]["Problem"]
    named = set(re.findall(r"[a-z-]{4,}", described["properties"]["type"]["description"]))
    # These two are answered to the proxy and to the shadow comparer, and to no client.
    assert {refusal.code for refusal in {**REFUSALS, **OWN} if refusal not in (Fenced, ShadowRefused)} <= named


def test_every_kind_of_event_that_becomes_a_message_is_described() -> None:
    from extracted.notifications.wording import WORDINGS
    from legacy_monolith.notifications.wording import WORDINGS as MONOLITHS

    described = yaml.safe_load(SERVICE.read_text())["components"]["schemas"]["Message"]["properties"]["kind"]["enum"]
    assert set(WORDINGS) == set(MONOLITHS) == set(described)
