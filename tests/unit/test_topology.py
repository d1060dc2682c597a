"""Both sides of a domain take events from the same queues; neither may import the other's rules."""

from __future__ import annotations

import inspect

from extracted.platform import topology as of_services
from legacy_monolith.events import topology as of_the_monolith


def test_both_sides_declare_the_same() -> None:
    for name in ("inbox_of", "retry_of", "dead_of", "exchange_of", "declare"):
        ours, theirs = getattr(of_services, name), getattr(of_the_monolith, name)
        assert inspect.getsource(ours) == inspect.getsource(theirs), name


def test_both_sides_try_as_often_and_wait_as_long() -> None:
    assert of_services.MOST_ATTEMPTS == of_the_monolith.MOST_ATTEMPTS == 5
    assert of_services.RETRY_SECONDS == of_the_monolith.RETRY_SECONDS
