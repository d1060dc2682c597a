"""One stack for all tests of this folder; a red test keeps its evidence in var/evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import CATALOG_ONLY, Stack, evidence_folder, running_stack


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    yield from running_stack(None, *CATALOG_ONLY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Once the stack's catalog is retired it cannot be moved any more: that comes last in this folder."""
    here = [number for number, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ordered = sorted((items[number] for number in here), key=lambda item: item.path.name == "test_retirement.py")
    for number, item in zip(here, ordered, strict=True):
        items[number] = item


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        folder = evidence_folder(item.nodeid)
        stack.collect(folder)
        report.sections.append(("evidence", f"logs and rendered configuration: {folder}"))
    return report
