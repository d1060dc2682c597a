"""The report claims what was measured, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.load.figures import Sample
from tests.load.report import Report, Switched, Verified, build
from tests.support.history import Verdict, Violation

SWITCH = Switched("catalog", "monolith", "service", 2, 7, 42.0, 12.0, 1, 10.0, 11.0)
KEPT = Verdict((), dict.fromkeys(("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"), 5))


def users(started: float, seconds: float) -> Sample:
    return Sample("users", started, seconds, failed=False, touches=False)


CALM = [users(0.001 * n, 0.010) for n in range(5000)]
DURING = [users(10 + 0.005 * n, 0.011) for n in range(150)]


def report(verdict: Verdict = KEPT, switch: Switched = SWITCH, samples: list[Sample] | None = None) -> Report:
    switches = [switch] * 30
    return build(samples or [*CALM, *DURING], 20.0, switches, Verified(1000, 0), verdict, 3.0)


def test_a_good_run_is_good_and_says_what_was_not_exercised() -> None:
    good = report()
    assert good.good
    assert good.missed == ()
    assert [p for p, word in good.promises.items() if word == "not exercised"] == ["I5", "I10"]
    assert good.promises["I9"] == "kept"
    assert (good.requests, good.failures, good.requests_per_second) == (5150, 0, 257.5)


def test_the_json_has_the_fields_of_the_issue() -> None:
    found = report().as_json()
    assert {"requests", "failures", "switches", "hold_ms", "other_domains_p99_ratio", "rows_verified",
            "differences", "promises"} <= found.keys()  # fmt: skip
    assert {"domain", "from", "to", "held", "drain_ms"} <= found["switches"][0].keys()
    assert found["hold_ms"] == {"p50": 42.0, "p99": 42.0, "max": 42.0}
    assert set(found["promises"]) == {f"I{n}" for n in range(1, 11)}


@pytest.mark.parametrize(
    "bad",
    [
        report(samples=[*CALM, replace(CALM[0], failed=True)]),
        replace(report(), differences=1),
        report(Verdict((Violation("I2", "an edit", "lost"),), KEPT.facts)),
        report(Verdict((Violation("I3", "product 1", "stock is 2, movements add up to 3"),), KEPT.facts)),
        report(samples=[*CALM, *(replace(s, seconds=0.05) for s in DURING)]),
    ],
)
def test_a_run_with_something_broken_is_not_good(bad: Report) -> None:
    assert not bad.good


def test_a_broken_promise_is_named() -> None:
    assert report(Verdict((Violation("I2", "an edit", "lost"),), KEPT.facts)).broken == ["I2"]


def test_a_missed_time_is_said_but_does_not_decide() -> None:
    slow = report(switch=replace(SWITCH, hold_ms=600.0))
    assert slow.good
    assert slow.missed == (
        "hold p99 600 ms, wanted at most 100 ms",
        "longest hold 600 ms, wanted at most 500 ms",
    )


def test_a_shop_that_is_not_busy_enough_is_said_to_be_so() -> None:
    assert report(samples=[*CALM[:1000], *DURING]).missed == ("58 requests/s, wanted at least 200",)


def test_a_few_requests_during_switches_say_nothing_about_others() -> None:
    few = report(samples=[*CALM, *(replace(s, seconds=1.0) for s in DURING[:20])])
    assert few.promises["I9"] == "not exercised"
