"""The OpenAPI documents: valid, served, and about exactly the routes that exist."""

from __future__ import annotations

import re

import pytest
from openapi_spec_validator import validate

from legacy_monolith.openapi import DOMAINS, document
from tests.integration.monolith.shop import Shop


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_document_is_valid_openapi_3_1(domain: str) -> None:
    assert document(domain)["openapi"].startswith("3.1.")
    validate(document(domain))


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_document_is_served(shop: Shop, domain: str) -> None:
    assert shop.visitor().get(f"/api/{domain}/openapi.json").get_json() == document(domain)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_document_names_exactly_the_routes_of_its_domain(shop: Shop, domain: str) -> None:
    documented = {
        (method.upper(), re.sub(r"{\w+}", "{}", path))
        for path, item in document(domain)["paths"].items()
        for method in item
        if method != "parameters"
    }
    served = {
        (method, re.sub(r"<[^>]+>", "{}", rule.rule))
        for rule in shop.app.url_map.iter_rules()
        if re.match(f"/(api|internal)/{domain}/", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert documented == served
