"""Which statements the middleware takes for reading; all else counts as a write."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from proxy import middleware


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
    assert middleware._READING.match(statement)


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
    assert not middleware._READING.match(statement)


def test_a_rollback_to_a_savepoint_undoes_not_everything():
    assert middleware._UNDOING.match("ROLLBACK")
    assert middleware._UNDOING.match("abort work")
    assert not middleware._UNDOING.match("rollback to savepoint a")


def test_the_file_can_be_copied_alone():
    tree = ast.parse(Path(middleware.__file__).read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in top if isinstance(node, ast.ImportFrom)}
    assert not any(name.partition(".")[0] in ("proxy", "psycopg", "sqlalchemy") for name in names)
