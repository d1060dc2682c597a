"""What becomes of a canary, decided from figures alone; and the plan's words for it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from migration_plan.canary.judge import MODES, Event, Finding, Mode, Seen, interval, judge, oldest
from migration_plan.canary.tally import Tally, count, total
from migration_plan.configuration.canary_rules import WHOLE, CanaryRules, said, share
from migration_plan.lifecycle import Side
from proxy.canary import Cohort

RULES = CanaryRules.model_validate({"steps": ["1%", "25%", "100%"], "each": "60s", "requests": 50})
FREEZING = RULES.model_copy(update={"on_breach": "freeze"})


def tally(fast=0, slow=0, failed=0, refused=0):
    """`fast` took up to 5 ms, `slow` up to a second."""
    return Tally(fast + slow, failed, refused, {0.005: fast, 0.1: fast, 1.0: fast + slow, float("inf"): fast + slow})


def both(monolith, service):
    return {Side.MONOLITH: monolith, Side.SERVICE: service}


def lasts(counts, looks=4):
    """The same, seen at several looks."""

    def part(number, look):
        return number // looks + (look < number % looks)

    return [
        {
            side: Tally(
                part(one.requests, look), part(one.failed, look), part(one.refused, look),
                {bound: part(count, look) for bound, count in one.up_to.items()},
            )
            for side, one in counts.items()
        }
        for look in range(looks)
    ]  # fmt: skip


WELL = both(tally(2000, 2), tally(1000, 1))
FAILING = both(tally(2000), tally(1000, failed=100))
MISSING = both(tally(2000), tally(1000, refused=400))
SLOW = both(tally(2000), tally(700, 300))
TAIL = both(tally(2000), tally(960, 40))
HARDLY_ANY = both(tally(2000), tally(40))
NONE = both(tally(), tally())


def seen(**changes):
    return Seen(**{"share": 100, "mode": Mode.RUNNING, "step_seconds": 61.0, "recent": lasts(WELL), "step": WELL,
                   "applied_age": 0.2, **changes})  # fmt: skip


CASES = {
    "all is well: the next step": (RULES, seen(), Event.SET, 2500, True),
    "all is well at the last step": (RULES, seen(share=WHOLE), None, WHOLE, True),
    "by hand between two steps: the next larger one": (RULES, seen(share=700), Event.SET, 2500, True),
    "too early": (RULES, seen(step_seconds=59.0), None, 100, False),
    "too few reads": (RULES, seen(step=HARDLY_ANY), None, 100, False),
    "no errors, but not enough reads to know": (RULES, seen(step=both(tally(2000), tally(100))), None, 100, False),
    "no reads at all": (RULES, seen(recent=lasts(NONE), step=NONE), None, 100, False),
    "frozen": (RULES, seen(mode=Mode.FROZEN), None, 100, True),
    "a proxy is away": (RULES, seen(silent=("two",)), None, 100, True),
    "nobody knows how far the copy is": (RULES, seen(applied_age=None), None, 100, False),
    "errors now": (RULES, seen(recent=lasts(FAILING)), Event.BREACH_BACK, 0, False),
    "errors over the whole step, few a second": (RULES,
        seen(recent=lasts(NONE), step=FAILING), Event.BREACH_BACK, 0, False),
    "answers that say no": (RULES, seen(recent=lasts(MISSING)), Event.BREACH_BACK, 0, False),
    "slow": (RULES, seen(recent=lasts(SLOW)), Event.BREACH_BACK, 0, False),
    "a slow tail": (RULES, seen(recent=lasts(TAIL)), Event.BREACH_BACK, 0, False),
    "behind": (RULES, seen(applied_age=3.1), Event.BREACH_BACK, 0, False),
    "errors, while a person has frozen it": (RULES,
        seen(mode=Mode.FROZEN, recent=lasts(SLOW)), Event.BREACH_BACK, 0, False),
    "the monolith fails as often": (RULES, seen(recent=lasts(both(tally(2000, failed=200), tally(1000, failed=100)))),
                                    Event.SET, 2500, True),
    "the monolith is as slow": (RULES,
        seen(recent=lasts(both(tally(1400, 600), tally(700, 300)))), Event.SET, 2500, True),
    "two failures are an accident": (RULES, seen(step=HARDLY_ANY, recent=lasts(both(tally(9), tally(2, failed=2)))),
                                     None, 100, False),
    "three are none": (RULES, seen(step=HARDLY_ANY, recent=lasts(both(tally(9), tally(3, failed=3)))),
                       Event.BREACH_BACK, 0, False),
    "slow once, many at a time": (RULES, seen(recent=[WELL, WELL, SLOW, WELL], step=SLOW, step_seconds=9.0),
                                  None, 100, False),
    "failed at once, many at a time": (RULES, seen(recent=[WELL, FAILING, FAILING], step=FAILING, step_seconds=9.0),
                                       None, 100, False),
    "failed for longer": (RULES, seen(recent=[FAILING, FAILING, FAILING]), Event.BREACH_BACK, 0, False),
    "freeze is the plan's answer": (FREEZING, seen(recent=lasts(SLOW)), Event.BREACH_FREEZE, 100, False),
    "frozen by it already": (FREEZING, seen(mode=Mode.FROZEN, recent=lasts(SLOW)), None, 100, False),
    "went back": (RULES, seen(share=0, mode=Mode.BACK, recent=lasts(FAILING)), None, 0, False),
    "at nothing, by hand": (RULES, seen(share=0, mode=Mode.FROZEN), None, 0, False),
    "slow, and the monolith has hardly any reads left": (
        RULES, seen(recent=lasts(both(tally(3), tally(700, 300))), step=both(tally(3), tally(700, 300)),
                    reference=tally(500)),
        Event.BREACH_BACK, 0, False),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_becomes_of_a_canary(case):
    rules, facts, event, after, is_passed = CASES[case]
    verdict = judge(rules, facts)
    assert (verdict.event, verdict.share, verdict.is_passed) == (event, after, is_passed), verdict


def test_a_breach_says_figure_and_limit():
    verdict = judge(RULES, seen(recent=lasts(FAILING)))
    assert "errors 100 of 1000 (10.00%" in verdict.reason
    assert "limit the monolith's 0.00% + 1.00%" in verdict.reason


@given(
    st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 300), st.integers(0, 300),
    st.sampled_from(list(Mode)), st.integers(0, WHOLE), st.one_of(st.none(), st.floats(0, 100)),
)  # fmt: skip
def test_no_figures_ever_raise_a_share_past_the_next_step_or_during_a_breach(
    a, b, slow, failed, refused, mode, now, age
):
    assume(mode is not Mode.BACK or not now)
    counts = both(tally(a), tally(b, slow, min(failed, b + slow), min(refused, b + slow)))
    verdict = judge(RULES, seen(share=now, mode=mode, recent=lasts(counts), step=counts, applied_age=age))
    assert verdict.share in (0, now, RULES.step_after(now))
    if verdict.share > now:
        assert (mode, verdict.event) == (Mode.RUNNING, Event.SET)
        assert all(check.finding is Finding.GOOD for check in verdict.checks)
    if verdict.event:
        assert (mode, verdict.event) in MODES


def test_every_mode_has_an_answer_to_everything_a_person_may_do():
    for mode, event in itertools.product(Mode, (Event.SET, Event.FREEZE, Event.THAW)):
        assert (mode, event) in MODES
    assert MODES[Mode.BACK, Event.THAW] is Mode.RUNNING


@pytest.mark.parametrize(("cases", "of", "low", "high"), [(0, 0, 0, 1), (0, 100, 0, 0.037), (50, 100, 0.404, 0.596)])
def test_the_interval_is_wilsons(cases, of, low, high):
    assert interval(cases, of, 1.96) == pytest.approx((low, high), abs=0.001)


METRICS = """# HELP x
fig_proxy_requests_total{domain="catalog",side="monolith",method="read",status="2xx"} 90
fig_proxy_requests_total{domain="catalog",side="monolith",method="write",status="2xx"} 7
fig_proxy_requests_total{domain="catalog",side="monolith",method="read",status="5xx"} 10
fig_proxy_requests_total{domain="catalog",side="service",method="read",status="2xx"} 40
fig_proxy_requests_total{domain="catalog",side="service",method="read",status="4xx"} 5
fig_proxy_requests_total{domain="other",side="service",method="read",status="5xx"} 99
fig_proxy_request_seconds_bucket{domain="catalog",side="service",method="read",le="0.1"} 30
fig_proxy_request_seconds_bucket{domain="catalog",side="service",method="read",le="+Inf"} 45
fig_proxy_request_seconds_sum{domain="catalog",side="service",method="read"} 4.5
fig_proxy_canary_fallbacks_total{domain="catalog",reason="failed"} 2
fig_proxy_canary_fallbacks_total{domain="catalog",reason="slow"} 3
fig_proxy_canary_share{domain="catalog"} 0.25
"""


def test_reads_are_counted_by_side_and_a_fall_back_is_a_failure_of_the_service():
    found = count(METRICS, "catalog")
    assert (found[Side.MONOLITH].requests, found[Side.MONOLITH].failed) == (100, 10)
    service = found[Side.SERVICE]
    assert (service.requests, service.failed, service.refused) == (45, 5, 5)
    assert service.up_to == {0.1: 30, float("inf"): 45}
    assert Tally.parse(service.as_json()) == service


def test_a_proxy_that_began_anew_counts_from_nothing_and_the_others_go_on():
    before = {"one": both(tally(100), tally(50)), "two": both(tally(10), tally(10))}
    now = {"one": both(tally(5), tally(3)), "two": both(tally(30), tally(15)), "three": both(tally(1), tally(1))}
    found = total(now, before)
    assert (found[Side.MONOLITH].requests, found[Side.SERVICE].requests) == (5 + 20 + 1, 3 + 5 + 1)


def test_quantiles_lie_within_their_bucket():
    assert tally(950, 50).quantile(0.5) == pytest.approx(0.005 * 500 / 950)
    assert 0.1 < tally(900, 100).quantile(0.95) < 1.0
    assert tally().quantile(0.95) is None
    assert tally(900, 100).slower_than(0.1) == 100
    assert tally(900, 100).slower_than(5.0) == 0


def test_the_age_of_a_copy_is_that_of_the_proxy_that_knows_the_least():
    assert oldest({"one": 9_000, "two": 5_000}, 10_000) == 5.0
    assert oldest({"one": 9_000, "two": None}, 10_000) is None
    assert oldest({}, 10_000) is None


@pytest.mark.parametrize(
    ("text", "value"), [("0%", 0), ("0.01%", 1), ("25%", 2500), ("100%", 10_000), ("12.5 %", 1250)]
)
def test_shares_are_hundredths_of_a_percent(text, value):
    assert share(text) == value
    assert share(said(value)) == value


@pytest.mark.parametrize("text", ["", "25", "101%", "0.001%", "-1%", 25, None])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ValueError, match="a share is written like"):
        share(text)


@pytest.mark.parametrize(
    "document",
    [
        {"steps": []}, {"steps": ["5%", "1%"]}, {"steps": ["0%", "1%"]}, {"steps": ["1%", "1%"]}, {"each": 5},
        {"requests": 0}, {"on_breach": "cry"}, {"limits": {"latency": 0.5}}, {"limits": {"error": "1%"}},
        {"always": [{"header": "X-A"}]}, {"always": [{"header": "X-A", "cookie": "b", "is": "c"}]},
        {"never": [{"path": "x"}]}, {"never": [{"host": "a", "is": "b"}]}, {"never": [{}]},
        {"always": [{"cookie": "a-b", "is": "c"}]}, {"limits": {"first_byte": "0s"}},
    ],
)  # fmt: skip
def test_a_canary_that_cannot_be_meant_is_refused(document):
    with pytest.raises(ValidationError):
        CanaryRules.model_validate(document)


def test_the_proxies_learn_what_concerns_them():
    rules = CanaryRules.model_validate(
        {"limits": {"applied_age": "2s", "first_byte": "300ms"}, "always": [{"header": "X-Staff", "is": "yes"}],
         "never": [{"path": "/api/x"}]}
    )  # fmt: skip
    assert rules.for_proxies.applied_age_ms == 2000
    assert rules.for_proxies.first_byte_ms == 300
    assert rules.for_proxies.always == (Cohort("header", "yes", "X-Staff"),)
    assert rules.for_proxies.never == (Cohort("path", "/api/x"),)
