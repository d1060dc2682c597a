"""At every combination of owners the shop answers as the monolith alone does, and both sides hold the same rows."""

from __future__ import annotations

import itertools
import os

import pytest

from tests.doubles.control import TwilioControl
from tests.shop.owners import DOMAINS, Owners
from tests.shop.retelling import Said, Telling, stories
from tests.support.stack import Stack

EVERY = tuple(away for number in range(5) for away in itertools.combinations(DOMAINS, number))
FULL = os.environ.get("FIG_PROOF") == "full"
# In CI each domain is away twice at least, with others and without.
CHOSEN = EVERY if FULL else (("catalog",), ("payments", "users"), ("catalog", "notifications", "users"), DOMAINS)
STORIES = stories(40 if FULL else 6)


@pytest.fixture(scope="module")
def twilio(stack: Stack) -> TwilioControl:
    return TwilioControl(stack.env["TWILIO_BASE_URL"])


@pytest.fixture(scope="module")
def said(stack: Stack, owners: Owners, twilio: TwilioControl) -> list[list[Said]]:
    """What the monolith answers by itself."""
    owners.divide(())
    url = stack.env["FIG_PUBLIC_URL"]
    return [Telling(url, twilio, owners.forget_limits).first(story) for story in STORIES]


def test_the_stories_are_about_everything(said: list[list[Said]]) -> None:
    paths = {step.path.split("/")[2] for story in STORIES for step in story}
    statuses = {one.answer.status for story in said for one in story}
    assert paths == set(DOMAINS)
    assert statuses >= {200, 201, 202, 204, 401, 403, 404, 409, 422}


@pytest.mark.parametrize("away", CHOSEN, ids=lambda away: "-".join(away) or "nobody")
def test_answers_are_the_same_whoever_owns_what(
    stack: Stack, owners: Owners, twilio: TwilioControl, said: list[list[Said]], away: tuple[str, ...]
) -> None:
    owners.divide(away)
    for story, answers in zip(STORIES, said, strict=True):
        Telling(stack.env["FIG_PUBLIC_URL"], twilio, owners.forget_limits).again(story, answers)
    assert owners.differences() == 0
