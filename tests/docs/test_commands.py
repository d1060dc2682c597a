"""Everything on the pages happens as written: all commands, page by page, in one terminal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.matching import ANYTHING, matches
from tests.docs.pages import DOCS, Command, blocks, pages
from tests.docs.terminal import Terminal

WRITE = "FIG_DOCS"
"""FIG_DOCS=write: what came is written into the pages where it is not what they show; to be read before it is kept."""

PROOF_ONLY = {
    "guide/10-rehearsing.md",  # A second stack, with copies of all databases.
    *(f"runbooks/{name}.md" for name in (
        "stream-lags", "slot-lost", "two-owners", "nobody-owns", "late-rollback", "dead-letters", "verification",
        "wal-budget", "fenced-requests", "proxy-cut-off",
    )),
}  # fmt: skip
"""Each leaves the shop as the next page wants it, and so does whoever leaves it out."""

RUN = [
    pytest.param(page, id=str(page.relative_to(DOCS)), marks=[pytest.mark.full] * (name in PROOF_ONLY))
    for page in pages()
    if (name := str(page.relative_to(DOCS)))
    and any(block.language == "console" and not block.not_run for block in blocks(page))
]

_failed: list[Path] = []


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", RUN)
def test_what_a_page_shows_is_what_comes(page: Path, terminal: Terminal):
    if _failed:
        pytest.fail(f"not run: {_failed[0].relative_to(DOCS)} before it went wrong")
    _failed.append(page)
    came: list[tuple[Command, list[str]]] = []
    try:
        for block in blocks(page):
            if block.language == "console" and not block.not_run:
                for command in block.commands:
                    _type(command, terminal, came)
    finally:
        _write(page, came)
    _failed.pop()


def _type(command: Command, terminal: Terminal, came: list[tuple[Command, list[str]]]) -> None:
    lines, code = terminal.type(command.typed)
    is_shown = matches(command.shown, lines)
    if not is_shown and code == command.code and os.environ.get(WRITE) == "write":
        came.append((command, lines))
    elif not is_shown or code != command.code:
        text, shown = "\n".join(lines), "\n".join(command.shown)
        pytest.fail(
            f"{command.place}: $ {command.typed}\nended with {code}, the page says {command.code}; what came:\n{text}"
            f"\nwhat the page shows:\n{shown}"
        )


def _write(page: Path, came: list[tuple[Command, list[str]]]) -> None:
    if not came:
        return
    lines = page.read_text(encoding="utf-8").splitlines()
    for command, output in reversed(came):
        first = command.line + command.typed.count("\n")
        lines[first : first + len(command.shown)] = [line.rstrip() for line in output if line.strip()]
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("shown", "came", "same"),
    [
        (["took 3.2 s, 5 rows"], ["took 11.9 s,  5 rows"], True),
        (["took 3.2 s, 5 rows"], ["took 3.2 s, 6 rows"], False),
        (["a", ANYTHING, "d"], ["a", "b", "c", "d"], True),
        (["a", ANYTHING, "d"], ["a", "b", "c", "e"], False),
        (["owner … at epoch 2"], ["owner service at epoch 2"], True),
        ([], ["something"], False),
        (["at 0/2D1CAE8 by 0@vm:26724"], ["at 1/1FFFFF8 by 0@other:2"], True),
    ],
)
def test_words_and_counts_are_compared_and_figures_of_one_run_are_not(shown: list[str], came: list[str], same: bool):
    assert matches(shown, came) is same
