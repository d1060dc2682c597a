"""A clone of this, and only the first page of the guide: what a new hire types on the first day."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.matching import matches
from tests.docs.pages import DOCS, blocks
from tests.docs.terminal import Terminal
from tests.support import places
from tests.support.stack import PROJECT, free_port_base

PATIENCE = 900.0
"""Seconds for one command: the first one installs what is missing."""


@dataclass(frozen=True)
class Clone:
    """What was committed, with an environment that knows nothing of this one but where ports are free."""

    folder: Path
    base: int

    @property
    def state(self) -> Path:
        return self.folder / "var" / "local"

    @property
    def env(self) -> dict[str, str]:
        strange = ("FIG_", "PORT_", "VIRTUAL_ENV", "PYTHON", "PYTEST_", "MAKE")
        outer = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        return {**outer, "FIG_PORT_BASE": str(self.base)}


@pytest.fixture
def clone() -> Iterator[Clone]:
    folder = places.server_folder("fig-clone-")
    clone = Clone(folder, free_port_base())
    try:
        subprocess.run(["git", "clone", "--quiet", PROJECT, folder], check=True)
        yield clone
    finally:
        fig = folder / ".venv" / "bin" / "fig"
        if fig.exists():
            subprocess.run([fig, "down", "--wipe"], cwd=folder, env=clone.env, check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder)


@pytest.mark.full
@pytest.mark.timeout(2 * PATIENCE)
def test_all_of_the_first_page_happens_as_written_in_a_fresh_clone(clone: Clone):
    terminal = Terminal(clone, [clone.folder / ".venv" / "bin"], clone.folder, PATIENCE)
    try:
        for block in blocks(DOCS / "guide" / "01-first-look.md"):
            for command in block.commands if block.language == "console" else []:
                lines, code = terminal.type(command.typed)
                said = f"{command.place}: $ {command.typed}\n" + "\n".join(lines)
                assert code == command.code, said
                # Of the demo, which the other tests do not type, the page shows no line.
                assert block.not_run or matches(command.shown, lines), said
    finally:
        terminal.close()
