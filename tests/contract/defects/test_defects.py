"""The suite is itself tested: every seeded defect is found, and the service without one is clean."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict

import pytest

from tests.contract.defects.catalogue import DEFECTS
from tests.contract.defects.defect import Defect
from tests.contract.defects.found import NAME, Outcome
from tests.contract.differential.domain import Step
from tests.contract.differential.explore import Differs, Pair, explore, play
from tests.integration.catalog.processes import ServiceProcess

EXAMPLES = 400
"""Sequences after which a defect counts as not found; the suite stops at the first difference."""
Spoilable = tuple[Pair, ServiceProcess]
Record = Callable[[str, object], None]


def every(domain: str) -> pytest.MarkDecorator:
    """In CI two of them; `make proof` and `make defects` take all."""
    chosen = DEFECTS[domain] if os.environ.get("FIG_PROOF") == "full" else DEFECTS[domain][:2]
    return pytest.mark.parametrize("defect", chosen, ids=lambda defect: defect.name)


@every("catalog")
def test_a_defect_of_the_catalog_is_found(catalog: Spoilable, defect: Defect, record_property: Record) -> None:
    _find(*catalog, defect, record_property)


@every("users")
def test_a_defect_of_users_is_found(users: Spoilable, defect: Defect, record_property: Record) -> None:
    _find(*users, defect, record_property)


@every("payments")
def test_a_defect_of_payments_is_found(payments: Spoilable, defect: Defect, record_property: Record) -> None:
    _find(*payments, defect, record_property)


@every("notifications")
def test_a_defect_of_notifications_is_found(notifications: Spoilable, defect: Defect, record_property: Record) -> None:
    _find(*notifications, defect, record_property)


def test_sixty_defects_are_seeded() -> None:
    assert sum(map(len, DEFECTS.values())) >= 60


def _find(pair: Pair, service: ServiceProcess, defect: Defect, record: Record) -> None:
    client = service.client()
    started, difference = time.monotonic(), ""
    steps: tuple[Step, ...] = ()
    assert client.request("PUT", f"/defect/{defect.name}").status == 204
    try:
        explore(pair, EXAMPLES, shrink=False)
    except Differs as differs:
        difference, steps = differs.found[0], differs.steps
    finally:
        client.request("PUT", "/defect/")
        seconds = time.monotonic() - started
    try:
        # A difference that is there without the defect, too, would have found nothing.
        play(pair, steps)
    except Differs:
        difference = ""
        raise
    finally:
        record(NAME, asdict(Outcome(pair.domain.name, defect.name, defect.what, difference, seconds)))
    assert difference, f"{defect.what}, and {EXAMPLES} sequences show no difference"
