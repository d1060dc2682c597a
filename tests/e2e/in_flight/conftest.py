"""A shop that takes money and sends mail, for what is under way when a domain moves or the broker dies.

One stack for all tests of this folder: payments and notifications have both their sides, the rest is the monolith's.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doubles.control import MailControl, StripeControl
from tests.support.stack import CATALOG_ONLY, Stack, running_stack

SMALL = {"SHOP_MONEY": "on", "SHOP_USERS": "20", "SHOP_PRODUCTS": "40", "SHOP_ORDERS": "40"}


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    senders = ("notifications-1", "monolith-sending", "monolith-events", "mail")
    yield from running_stack(SMALL, *CATALOG_ONLY, "payments-1", "stripe", *senders)


@pytest.fixture(scope="package")
def control(stack: Stack) -> StripeControl:
    return StripeControl(stack.env["STRIPE_BASE_URL"])


@pytest.fixture(scope="package")
def mail(stack: Stack) -> MailControl:
    return MailControl(f"http://127.0.0.1:{stack.ports['mail']}")
