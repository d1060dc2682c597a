"""Which statements the middleware takes for reading; all else counts as a write."""

from __future__ import annotations

import ast
import importlib
import shutil
import sys
from pathlib import Path

import pytest

from proxy import middleware
from proxy.middleware import statements


@pytest.mark.parametrize(
    "statement",
    [
        "select 1",
        "  SELECT 1 ;\n",
        "(select 1) union (select 2)",
        "-- why\nselect 1",
        "/* a */ /* b */ select 1",
        "show server_version",
        "set local statement_timeout = 0",
        "savepoint a",
        "values (1)",
        "commit",
    ],
)
def test_reading(statement):
    assert statements.READING.match(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into a values (1)",
        "UPDATE a SET b = 1",
        "with w as (delete from a returning 1) select * from w",
        "select 1; delete from a",
        "-- select\ndelete from a",
        "/* select */ truncate a",
        "call p()",
        "do $$ begin end $$",
        "copy a from stdin",
        "selected",
        "",
        "merge into a using b on true when matched then delete",
    ],
)
def test_writing(statement):
    assert not statements.READING.match(statement)


def test_a_rollback_to_a_savepoint_undoes_not_everything():
    assert statements.UNDOING.match("ROLLBACK")
    assert statements.UNDOING.match("abort work")
    assert not statements.UNDOING.match("rollback to savepoint a")


def test_the_folder_can_be_copied_alone_under_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = Path(middleware.__file__).parent
    for file in folder.glob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                assert node.level == 1 or (node.module or "").partition(".")[0] in sys.stdlib_module_names, file
            elif isinstance(node, ast.Import):
                assert all(alias.name.partition(".")[0] in sys.stdlib_module_names for alias in node.names), file
    shutil.copytree(folder, tmp_path / "taken_over")
    monkeypatch.syspath_prepend(tmp_path)
    copied = importlib.import_module("taken_over")
    assert copied.Guarded is not middleware.Guarded
