"""What is printed from tables of the code is not stale, and the tables are whole."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest
from pydantic import BaseModel

import migration_plan
from migration_plan.cli import main
from migration_plan.command_help import ENDS, SECTIONS
from migration_plan.configuration.plan import Plan
from migration_plan.configuration.settings import Settings
from migration_plan.errors import FigError
from migration_plan.exit_codes import MEANINGS, Exit
from migration_plan.journal.access import NEEDS, OPEN
from migration_plan.reference import commands as reference_of_commands
from migration_plan.reference import errors as reference_of_errors
from migration_plan.reference import models as reference_of_models
from migration_plan.reference.pages import PAGES

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


def test_every_code_of_an_error_belongs_to_one_class_which_says_what_it_means_and_what_to_do():
    found = reference_of_errors.entries()
    codes = [entry.code for entry in found]
    assert sorted({code for code in codes if codes.count(code) > 1}) == []
    assert [one.__name__ for one in reference_of_errors.classes() if "code" not in vars(one)] == []
    assert [entry.code for entry in found if not entry.meaning or not entry.next_steps] == []
    assert len(codes) > 90


def test_every_reason_of_a_refusal_has_a_meaning_and_a_next_step():
    found = reference_of_errors.refusals()
    assert [entry.code for entry in found if not entry.meaning or not entry.next_steps] == []
    assert len(found) > 60


@pytest.mark.parametrize("root", [Plan, Settings])
def test_every_key_of_a_file_says_what_it_means(root: type[BaseModel]):
    parts = list(reference_of_models.in_order(root))
    assert [f"{name}.{key.name}" for name, _, found in parts for key in found if not key.meaning] == []
    assert [name for name, model, _ in parts if not model.__doc__] == []


def test_every_command_is_on_its_page():
    assert {words for words, _ in reference_of_commands.commands()} == set(NEEDS) | OPEN


def test_every_command_stands_under_one_heading_shows_an_example_and_says_how_it_ends():
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(main.commands)
    without = [words for words, one in reference_of_commands.commands() if "Example" not in (one.help or "")]
    assert without == []
    assert [words for words, one in reference_of_commands.commands() if one.epilog != ENDS] == []


def test_no_sentence_about_a_command_is_cut(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--help"], prog_name="fig")
    shown = capsys.readouterr().out
    assert "..." not in shown.partition("Options:")[2]
