"""The model of the switch: no promise breaks within the bounds, each guard is needed, its words are the code's."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from migration_plan.model.guards import FULL, GUARDS, SEARCHES, Bounds
from migration_plan.model.search import MODEL, build, names, search
from migration_plan.recovery import Case
from migration_plan.switch import CHECKPOINTS


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize(
    "bounds",
    [*(pytest.param(bounds, id=name) for name, bounds in SEARCHES.items()),
     *(pytest.param(bounds, id=name, marks=pytest.mark.full) for name, bounds in FULL.items())],
)  # fmt: skip
def test_no_promise_breaks_within_the_bounds(program: Path, bounds: Bounds) -> None:
    found = search(program, bounds)
    print(found)
    assert found.complete, found
    assert not found.broken, "\n".join(found.steps)
    assert found.states > 100


@pytest.mark.parametrize("name", GUARDS)
def test_without_a_guard_the_search_finds_the_break(program: Path, name: str) -> None:
    found = search(program, GUARDS[name].bounds, GUARDS[name].number)
    print(found, *found.steps, sep="\n")
    assert found.broken, found
    assert found.steps


def test_every_guard_of_the_model_is_in_the_table() -> None:
    said = dict(re.findall(r"#define GUARD_(\w+) (\d+)$", MODEL.read_text(), re.MULTILINE))
    assert said == {name: str(guard.number) for name, guard in GUARDS.items()}


def test_states_and_cases_are_those_of_the_code() -> None:
    sql = files("migration_plan").joinpath("side.sql").read_text()
    checked = re.search(r"check \(state in \((.*?)\)\)", sql)
    assert checked
    assert names("state") == [word.strip().strip("'") for word in checked.group(1).split(",")]
    # The model has no backups: what only a restored database brings about is not in it (docs/model.md).
    assert names("case") == [str(case) for case in Case if case not in (Case.STALE_OWNER, Case.OWNER_RESTORED)]


def test_the_steps_of_a_controller_are_the_checkpoints_of_the_switch() -> None:
    labels = re.findall(r"^((?:before|after)_\w+):", MODEL.read_text(), re.MULTILINE)
    assert [label.replace("_", "-") for label in labels] == [c for c in CHECKPOINTS if c != "after-done"]


@pytest.mark.parametrize("move", ["fence", "unfence", "release", "grant_ownership", "stand_by", "void", "stop"])
def test_each_move_of_the_model_is_one_of_the_databases(move: str) -> None:
    sql = files("migration_plan").joinpath("side.sql").read_text()
    assert f"function fig.{move}(" in sql
    assert re.search(rf"^inline {move}_?\(", MODEL.read_text(), re.MULTILINE)
