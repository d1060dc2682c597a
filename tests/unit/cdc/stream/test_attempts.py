"""What a stream tries after a refusal, in which order, and that it ends."""

from __future__ import annotations

import pytest

from cdc.attempts import Attempt, after
from cdc.projection import Table
from cdc.stream_errors import RefusedChange
from cdc.target.errors import PoisonRow

ONE, OTHER = Table("public", "one"), Table("public", "other")


def refusal(parks: Table | None = None) -> PoisonRow:
    error = PoisonRow("insert", "said", "place")
    error.change = RefusedChange(1, 1, "public.one", parks=parks)
    return error


PARKED = frozenset({ONE})


@pytest.mark.parametrize(
    ("attempt", "parks", "following"),
    [
        (Attempt(), None, Attempt(is_careful=True)),
        (Attempt(), ONE, Attempt(PARKED)),
        (Attempt(PARKED), OTHER, Attempt(frozenset({ONE, OTHER}))),
        (Attempt(PARKED), ONE, Attempt(PARKED, is_careful=True)),
        (Attempt(PARKED), None, Attempt(PARKED, is_careful=True)),
        (Attempt(is_careful=True), ONE, Attempt(PARKED, is_careful=True)),
        (Attempt(is_careful=True), None, None),
        (Attempt(PARKED, is_careful=True), None, Attempt(is_careful=True, is_last=True)),
        (Attempt(is_careful=True, is_last=True), ONE, None),
        (Attempt(is_careful=True, is_last=True), None, None),
    ],
)
def test_each_attempt_has_one_successor_or_none(
    attempt: Attempt, parks: Table | None, following: Attempt | None
) -> None:
    assert after(attempt, refusal(parks)) == following


def test_whatever_is_refused_the_attempts_end() -> None:
    for parks in (None, ONE):
        attempt: Attempt | None = Attempt()
        tried = []
        while attempt is not None:
            tried.append(attempt)
            attempt = after(attempt, refusal(parks))
        assert len(tried) <= 5


def test_past_the_refused_transaction_it_is_fast_again_and_stays_parked() -> None:
    assert Attempt(PARKED, is_careful=True, is_last=True).done == Attempt(PARKED)
