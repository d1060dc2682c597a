"""What is printed from tables of the code is not stale, and the tables are whole."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import migration_plan
from migration_plan.errors import FigError
from migration_plan.exit_codes import MEANINGS, Exit
from migration_plan.reference import PAGES

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def all_errors() -> list[type[FigError]]:
    for module in pkgutil.walk_packages(migration_plan.__path__, "migration_plan."):
        importlib.import_module(module.name)
    found, waiting = [], [FigError]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return [one for one in found if one.__module__.startswith("migration_plan")]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_printed_from_the_code_is_not_stale(name: str):
    wanted = PAGES[name]()
    assert (REFERENCE / name).read_text() == wanted, "python -m migration_plan.reference docs/reference"


def test_every_exit_code_has_a_meaning_and_a_number_of_its_own():
    assert set(MEANINGS) == set(Exit)
    assert len(Exit.__members__) == len(Exit)


def test_every_error_ends_with_a_code_of_the_table():
    assert not [one.__name__ for one in all_errors() if not isinstance(one.exit_code, Exit)]
    assert len(all_errors()) > 20
