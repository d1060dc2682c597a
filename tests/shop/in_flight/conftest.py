"""What is under way when a domain moves or the broker dies: what the doubles know of it."""

from __future__ import annotations

import pytest

from tests.doubles.control import MailControl, StripeControl
from tests.support.stack import Stack


@pytest.fixture(scope="package")
def control(stack: Stack) -> StripeControl:
    return StripeControl(stack.env["STRIPE_BASE_URL"])


@pytest.fixture(scope="package")
def mail(stack: Stack) -> MailControl:
    return MailControl(f"http://127.0.0.1:{stack.ports['mail']}")
