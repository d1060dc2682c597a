"""The stack of this folder's tests."""

from __future__ import annotations

import pytest

from tests.shop.owners import Owners
from tests.support.stack import Stack


@pytest.fixture(scope="session")
def stack(whole_shop: Stack) -> Stack:
    return whole_shop


@pytest.fixture(scope="session")
def owners(stack: Stack) -> Owners:
    return Owners(stack)
