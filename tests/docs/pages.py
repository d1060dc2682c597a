"""The pages of `docs/` and the blocks in them, as values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.stack import PROJECT

DOCS = PROJECT / "docs"
SITE = PROJECT / "mkdocs.yml"

_NOT_RUN = re.compile(r"<!-- not run: (?P<why>.+?) -->", re.DOTALL)
_EXIT = re.compile(r"<!-- exit (?P<code>\d+) -->")
PROMPT = "$ "
SHELL = "sh"


@dataclass(frozen=True)
class Block:
    """One fenced block. `not_run`: why its commands cannot be run by tests; `exit`: how its last command ends."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str = ""
    exit: int = 0

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"

    @property
    def commands(self) -> list[Command]:
        """Of `console`: what is typed, and what is shown after it; of `sh`: a command a line, and nothing shown."""
        if self.language == SHELL:
            lines = enumerate(self.text.splitlines(), start=self.line + 1)
            return [Command(self, number, line) for number, line in lines if line.strip()]
        found: list[Command] = []
        for number, line in enumerate(self.text.splitlines(), start=self.line + 1):
            if line.startswith(PROMPT):
                found.append(Command(self, number, line.removeprefix(PROMPT)))
            elif found and line.startswith("> ") and not found[-1].shown:
                found[-1] = Command(self, found[-1].line, f"{found[-1].typed}\n{line[2:]}")
            elif found:
                found[-1].shown.append(line)
            else:
                raise ValueError(f"{self.place}: a console block begins with `$ `")
        if found:
            found[-1].code = self.exit
        return found


@dataclass
class Command:
    """What a reader types, what the page says comes of it, and with which exit code."""

    block: Block
    line: int
    typed: str
    shown: list[str]
    code: int

    def __init__(self, block: Block, line: int, typed: str) -> None:
        self.block, self.line, self.typed, self.shown, self.code = block, line, typed, [], 0

    @property
    def place(self) -> str:
        return f"{self.block.page.relative_to(PROJECT)}:{self.line}"


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def pages() -> list[Path]:
    """All of them, in the order of the site; one that is not in its navigation would be read by nobody."""
    return [DOCS / name for name in _named(yaml.safe_load(SITE.read_text(encoding="utf-8"))["nav"])]


def _named(part: object) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for one in part:
            yield from _named(one)
    elif isinstance(part, dict):
        yield from _named(list(part.values()))


@cache
def blocks(page: Path) -> list[Block]:
    """In order. Comments right before one say why it is not run, and how its last command ends."""
    found, before = [], ""
    for token in tokens(page):
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            why, code = _NOT_RUN.search(before), _EXIT.search(before)
            found.append(
                Block(
                    page, token.map[0] + 1, token.info.strip() if token.type == "fence" else "(indented)",
                    token.content, " ".join(why["why"].split()) if why else "", int(code["code"]) if code else 0,
                )
            )  # fmt: skip
        before = before + token.content if token.type == "html_block" else ""
    return found


def all_blocks(language: str) -> list[Block]:
    return [block for page in pages() for block in blocks(page) if block.language == language]
