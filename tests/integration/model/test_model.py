"""The model of the switch: no promise breaks within the bounds, each guard is needed, its words are the code's."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from migration_plan.model.guards import FULL, GUARDS, SEARCHES, Bounds
from migration_plan.model.search import FOLDER, MODEL, build, names, search, steps
from migration_plan.recovering.recovery import Case
from migration_plan.switching.switch import CHECKPOINTS

ROOT = Path(__file__).parents[3]
WHERE = ("side.sql", "switch.py", "journal.py", "controller.py", "recovery.py", "adoption.py", "moves.py", "parts.py",
         "restarts.py", "diagnosis.py", "keeping.py", "half_done.py", "watch.py", "client.py")  # fmt: skip


def model() -> str:
    return "".join(path.read_text() for path in sorted(FOLDER.glob("*.pml")))


def code(place: str) -> list[Path]:
    """The files of the toolkit of that name, or all in a folder of it."""
    stem = place.removesuffix(".py")
    below = [path for top in ("migration_plan", "cdc", "proxy") for path in (ROOT / top).rglob("*.*")]
    found = [path for path in below if path.name == place or stem in (path.stem, path.parent.name)]
    found = [path for path in found if path.suffix in (".py", ".sql", ".js")]
    assert found, place
    return found


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
    sql = files("migration_plan.sides").joinpath("side.sql").read_text()
    checked = re.search(r"check \(state in \((.*?)\)\)", sql)
    assert checked
    assert names("state") == [word.strip().strip("'") for word in checked.group(1).split(",")]
    assert names("case") == [str(case) for case in Case]


def test_the_steps_of_a_controller_are_the_checkpoints_of_the_switch() -> None:
    labels = re.findall(r"^((?:before|after)_\w+):", MODEL.read_text(), re.MULTILINE)
    assert [label.replace("_", "-") for label in labels] == [c for c in CHECKPOINTS if c != "after-done"]


def test_each_guard_is_where_the_table_says() -> None:
    for guard in GUARDS.values():
        place, name = guard.where.split(": ")
        text = "".join(path.read_text() for path in code(place))
        assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE), guard.where
        assert f"GUARD_{next(key for key, one in GUARDS.items() if one is guard)}" in model()


def test_the_steps_of_a_controller_and_of_the_streams_keeper_have_the_names_of_the_code() -> None:
    said = steps("c", "k")
    assert {"fence", "release", "grant_ownership", "adopt", "give_way", "mark_again", "intent", "set_route"} <= said
    text = "".join(path.read_text() for place in WHERE for path in code(place))
    missing = {step for step in said if not re.search(rf"(?<!\w){step}(?!\w)", text)}
    assert not missing


@pytest.mark.parametrize(
    "move",
    ["fence", "unfence", "release", "grant_ownership", "stand_by", "void", "stop", "give_way", "adopt", "mark_again"],
)
def test_each_move_of_the_model_is_one_of_the_databases(move: str) -> None:
    sql = files("migration_plan.sides").joinpath("side.sql").read_text()
    assert f"function fig.{move}(" in sql
    assert re.search(rf"^inline {move}_?\(", model(), re.MULTILINE)
