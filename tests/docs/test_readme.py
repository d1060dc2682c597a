"""The README can be followed: its commands end well, its files are there, and it is short."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import Block, blocks
from tests.docs.terminal import Terminal
from tests.docs.test_blocks import fig_commands, parsed
from tests.support.stack import PROJECT, private_stack

README = PROJECT / "README.md"
LINES = 150
BLOCKS = blocks(README)

_FILE = re.compile(r"`((?:docs|scripts|migration_plan|proxy|tests|legacy_monolith|extracted)/[\w./-]+|[A-Z]+\.md)`")
_MADE_LATER = re.compile(r"var/|build/")
_TARGET = re.compile(r"^([a-z]+):.*##", re.MULTILINE)


@pytest.fixture(scope="module")
def terminal() -> Iterator[Terminal]:
    """With a stack of its own, of which nothing runs yet: the README's first commands start it."""
    with private_stack() as stack:
        terminal = Terminal(stack, [Path(sys.executable).parent])
        try:
            yield terminal
        finally:
            terminal.close()


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_its_commands_end_well_in_the_order_in_which_they_stand(terminal: Terminal):
    for block in BLOCKS:
        for command in [] if block.not_run else block.commands:
            lines, code = terminal.type(command.typed)
            assert code == command.code, f"{command.place}: $ {command.typed}\n" + "\n".join(lines)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_its_commands_could_be_meant(block: Block):
    targets = set(_TARGET.findall((PROJECT / "Makefile").read_text(encoding="utf-8")))
    for command in block.commands:
        first, *rest = command.typed.partition("#")[0].split() or [""]
        if first == "make":
            assert set(rest) <= targets, command.place
        for arguments in fig_commands(command.typed):
            assert not parsed(arguments), f"{command.place}: {parsed(arguments)}"


def test_every_file_that_it_names_is_there():
    text = README.read_text(encoding="utf-8")
    named = {*_FILE.findall(text), *re.findall(r"\]\(([^)#]+)\)", text)}
    assert named
    assert [name for name in sorted(named) if not _MADE_LATER.match(name) and not (PROJECT / name).exists()] == []


def test_it_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) < LINES
