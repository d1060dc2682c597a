"""The suite is itself tested: every seeded defect is found, and the service without one is clean."""

from __future__ import annotations

import os

import pytest

from tests.contract.defects.catalogue import DEFECTS
from tests.contract.defects.defect import Defect
from tests.contract.differential.explore import Differs, Pair, explore
from tests.integration.catalog.processes import ServiceProcess

EXAMPLES = 400
"""Sequences after which a defect counts as not found; the suite stops at the first difference."""


def every(domain: str) -> pytest.MarkDecorator:
    """In CI every third one of them; `make proof` takes all."""
    chosen = DEFECTS[domain] if os.environ.get("FIG_PROOF") == "full" else DEFECTS[domain][::3]
    return pytest.mark.parametrize("defect", chosen, ids=lambda defect: defect.name)


@every("catalog")
def test_a_defect_of_the_catalog_is_found(catalog: tuple[Pair, ServiceProcess], defect: Defect) -> None:
    _found(*catalog, defect)


@every("users")
def test_a_defect_of_users_is_found(users: tuple[Pair, ServiceProcess], defect: Defect) -> None:
    _found(*users, defect)


def test_thirty_defects_are_seeded() -> None:
    assert sum(map(len, DEFECTS.values())) >= 30


def _found(pair: Pair, service: ServiceProcess, defect: Defect) -> None:
    client = service.client()
    assert client.request("PUT", f"/defect/{defect.name}").status == 204
    try:
        with pytest.raises(Differs) as found:
            explore(pair, EXAMPLES, shrink=False)
    finally:
        client.request("PUT", "/defect/")
    print(f"{defect.name}: {defect.what}: {found.value.found[0]}")
