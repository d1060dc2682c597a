"""One stack and one terminal for all pages."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.terminal import Terminal
from tests.docs.zygote import Zygote
from tests.support.stack import Stack, private_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Not up: the first page says how that is done."""
    with private_stack() as stack:
        yield stack


@pytest.fixture(scope="session")
def terminal(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """Where the installed `fig` is found; without a proof asked for, one that starts faster."""
    installed = Path(sys.executable).parent
    with Zygote(tmp_path_factory.mktemp("zygote")) as zygote:
        front = [installed] if os.environ.get("FIG_PROOF") == "full" else [zygote.folder, installed]
        terminal = Terminal(stack, front)
        try:
            yield terminal
        finally:
            terminal.close()
