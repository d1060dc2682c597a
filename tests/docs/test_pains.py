"""The page of others' pains: each has a test, and the test is there under that name."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.docs.pages import DOCS, tokens
from tests.support.stack import PROJECT

PAGE = DOCS / "pains.md"
NAMED = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")


@cache
def _tests_in(file: str) -> frozenset[str]:
    path = PROJECT / file
    if not path.is_file():
        return frozenset()
    return frozenset(node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef))


def test_every_test_that_the_page_names_is_there():
    named = {match.groups() for match in NAMED.finditer(PAGE.read_text())}
    assert len(named) > 60
    assert sorted(f"{file}::{name}" for file, name in named if name not in _tests_in(file)) == []


def test_whatever_looks_like_a_test_is_written_as_one():
    """Nothing that the pattern above would pass over."""
    code = [child.content for token in tokens(PAGE) for child in token.children or [] if child.type == "code_inline"]
    assert [one for one in code if "test" in one and not NAMED.fullmatch(one)] == []


def test_every_pain_has_a_test():
    pains = re.split(r"^## (?=\d+ )", PAGE.read_text().partition("\n## Smaller")[0], flags=re.MULTILINE)[1:]
    assert [pain.split()[0] for pain in pains] == [str(number) for number in range(1, 19)]
    assert [pain.splitlines()[0] for pain in pains if not NAMED.search(pain)] == []
