"""What a rollback will cost, decided from figures alone."""

from __future__ import annotations

import pytest

from migration_plan.errors import Refusal
from migration_plan.gate import Gate
from migration_plan.moving.forecast import FENCE, Backlog, Cost, forecast
from migration_plan.moving.judgement import Judgement

DRAIN = 2.0
NOTHING = Backlog(0, 0.0, 0.0)
UNKNOWN = Backlog(None, 0.0, 0.0)
MB = 1024.0**2


def gates(*refused: Refusal, can_be_forced: bool = False) -> tuple[Gate, ...]:
    return (Gate("g", not refused, "", "", "", can_be_forced, refused),)


@pytest.mark.parametrize(
    ("lag", "backlog", "cost", "seconds"),
    [
        (0.01, UNKNOWN, Cost.INSTANT, 0.01 + FENCE),
        (0.2, UNKNOWN, Cost.INSTANT, 0.2 + FENCE),
        (0.21, UNKNOWN, Cost.BOUNDED_HOLD, 0.21 + FENCE),
        (2.0, UNKNOWN, Cost.BOUNDED_HOLD, 2.0 + FENCE),
        (2.01, UNKNOWN, Cost.REFUSED, None),
        (None, NOTHING, Cost.INSTANT, FENCE),
        (None, Backlog(int(MB), MB, 0.0), Cost.BOUNDED_HOLD, 1.0 + FENCE),
        (None, Backlog(int(3 * MB), MB, 0.0), Cost.REFUSED, None),
        (None, Backlog(int(MB), 0.0, MB), Cost.REFUSED, None),
        (None, UNKNOWN, Cost.REFUSED, None),
    ],
)
def test_lag_backlog_and_bound_decide_between_instant_hold_and_refusal(lag, backlog, cost, seconds):
    found = forecast(Judgement(gates()), lag, backlog, DRAIN)
    assert (found.cost, found.seconds) == (cost, None if seconds is None else pytest.approx(seconds))
    assert bool(found.reasons) == (cost is Cost.REFUSED)


def test_a_gate_that_is_shut_refuses_with_its_own_reason_whatever_the_lag():
    lens = Refusal("lens", 'column "x" cannot be carried back', "correct it")
    found = forecast(Judgement(gates(lens)), 0.0, NOTHING, DRAIN)
    assert (found.cost, found.reasons) == (Cost.REFUSED, ('column "x" cannot be carried back',))


def test_a_gate_that_was_forced_refuses_no_more():
    stale = Refusal("verification-stale", "old", "fig verify")
    assert forecast(Judgement(gates(stale, can_be_forced=True), "why"), 0.0, NOTHING, DRAIN).cost is Cost.INSTANT


@pytest.mark.parametrize(
    ("backlog", "seconds"),
    [
        (Backlog(int(6 * MB), 2 * MB, MB), 2.0),  # 6 MB behind, 4 may be left for the hold, 1 MB/s is gained.
        (Backlog(int(MB), 2 * MB, MB), 0.0),
        (Backlog(int(6 * MB), MB, MB), None),
        (Backlog(int(6 * MB), MB, 2 * MB), None),
        (UNKNOWN, None),
    ],
)
def test_a_stream_that_is_too_far_behind_says_when_it_would_do(backlog, seconds):
    assert backlog.seconds_until_within(DRAIN) == (None if seconds is None else pytest.approx(seconds))


def test_what_it_says_has_the_figure_and_the_bound():
    found = forecast(Judgement(gates()), None, Backlog(int(6 * MB), 2 * MB, MB), DRAIN)
    assert str(found) == (
        "refused: the stream back needs 3.0 s and the plan lets writes wait for 2 s; in about 2 s it would do"
    )
