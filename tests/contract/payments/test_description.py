"""The OpenAPI document: the same text on both sides, valid, served, and about exactly the routes there are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import yaml

import extracted.payments
import legacy_monolith.openapi
from extracted.payments import errors
from extracted.platform.problems import REFUSALS, Refusal
from tests.contract.payments.sides import Side

SERVICE = Path(inspect.getfile(extracted.payments)).with_name("openapi.yml")
MONOLITH = Path(inspect.getfile(legacy_monolith.openapi)).with_name("payments.yml")


def test_both_sides_promise_the_same() -> None:
    assert SERVICE.read_text() == MONOLITH.read_text()


def test_the_document_is_served(side: Side) -> None:
    assert side.visitor().get("/api/payments/openapi.json").json() == yaml.safe_load(SERVICE.read_text())


def test_each_route_of_the_document_is_there(side: Side) -> None:
    """To a visitor; what asks for more says so, and nothing is unknown."""
    for path, item in yaml.safe_load(SERVICE.read_text())["paths"].items():
        for method in item.keys() - {"parameters"}:
            answer = side.visitor().request(method.upper(), re.sub(r"{\w+}", "1", path), {})
            expected = {"/api/payments/webhooks/stripe": 400, "/api/payments/config": 200}.get(path, 401)
            assert (path, answer.status) == (path, expected)


def test_a_browser_is_told_how_to_load_stripes_code(side: Side) -> None:
    script = "https://js.stripe.com/v3/"
    assert side.visitor().get("/api/payments/config").json() == {"publishable_key": "pk_test", "script": script}


def test_every_refusal_of_the_service_has_a_status() -> None:
    own = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Refusal)}
    assert own - {Refusal} <= {**REFUSALS, **errors.REFUSALS}.keys()
