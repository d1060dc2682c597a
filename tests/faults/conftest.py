"""The stack of this folder's tests."""

from __future__ import annotations

import pytest

from tests.support.stack import Stack


@pytest.fixture(scope="session")
def stack(spine: Stack) -> Stack:
    return spine
