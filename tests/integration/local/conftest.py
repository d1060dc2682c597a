"""A small stack, up for the tests of one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack, private_stack

SMALL = Path(__file__).parent / "small.yml"


@pytest.fixture(scope="module")
def small() -> Iterator[Stack]:
    with private_stack(SMALL) as stack:
        stack.up()
        yield stack
