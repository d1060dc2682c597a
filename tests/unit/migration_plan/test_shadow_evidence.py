"""When the evidence of a shadow is enough: intervals, noise, verdicts, and the plan's section."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from migration_plan.configuration.plan import Route
from migration_plan.configuration.shadow_rules import ShadowRules, problems
from migration_plan.shadow.confidence import trials_needed, upper_end
from migration_plan.shadow.evidence import Field, Group, Seen, counted, verdict
from migration_plan.shadow.tally import EXAMPLES, MOST_GROUPS, OTHERS, Tally
from proxy.shadow_compare import Comparison, Difference
from proxy.shadow_comparer import Kind, Outcome

ROUTE = "/api/p/{id}"
RULES = ShadowRules(routes=(ROUTE,))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seen(compared, *groups, **more):
    found = tuple(Group(paths, count, NOW, NOW) for paths, count in groups)
    fields = {path: Field(count) for paths, count in groups for path in paths}
    return Seen(compared=compared, seconds=600.0, age=1.0, groups=found, **{"fields": fields, **more})


@pytest.mark.parametrize(
    ("cases", "trials", "upper"),
    # binom.test(cases, trials, alternative = "less")$conf.int[2] of R.
    [(0, 10, 0.2588656), (0, 300, 0.0099361), (5, 100, 0.1022534), (99, 100, 0.9994872), (100, 100, 1.0), (0, 0, 1.0)],
)
def test_the_upper_end_is_clopper_and_pearsons(cases, trials, upper):
    assert upper_end(cases, trials) == pytest.approx(upper, abs=1e-6)


@given(st.integers(0, 40), st.integers(1, 60))
def test_at_the_upper_end_so_few_cases_have_the_probability_of_five_percent(cases, trials):
    if cases < trials:
        p = upper_end(cases, trials)
        at_most = sum(comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(cases + 1))
        assert at_most == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(("cases", "limit", "needed"), [(0, 0.01, 299), (0, 0.001, 2995), (3, 0.01, 773)])
def test_how_many_more_are_needed_is_exact(cases, limit, needed):
    assert trials_needed(cases, limit) == needed
    assert upper_end(cases, needed) <= limit < upper_end(cases, needed - 1)


@pytest.mark.parametrize(
    ("raw", "noise", "is_noise"), [(100, 100, True), (3, 5, True), (119, 100, True), (160, 100, False), (1, 0, False)]
)
def test_a_field_is_noise_by_diffys_rule(raw, noise, is_noise):
    assert Field(raw, noise).is_noise is is_noise


def test_a_low_number_alone_is_not_enough_evidence():
    found = verdict(ROUTE, seen(40), RULES)
    assert not found.is_good
    assert found.more == 260
    assert "260 more comparisons are needed, about 65 min at the present rate" in found.why
    assert verdict(ROUTE, seen(300), RULES).is_good
    assert "nobody has asked for it yet" in verdict(ROUTE, Seen(), RULES).why


def test_a_rate_over_the_limit_is_not_cured_by_more_comparisons():
    found = verdict(ROUTE, seen(1000, (("price",), 20)), RULES)
    assert (found.mismatches, found.more) == (20, None)
    assert "20 of 1000 differ, 2.00%; the plan allows 1.00%" in found.why


def test_noise_and_what_is_meant_to_differ_are_not_held_against_the_service():
    noisy = seen(400, (("at",), 90), fields={"at": Field(200, 190)})
    assert verdict(ROUTE, noisy, RULES).is_good
    links = seen(400, (("items[].links.next",), 400))
    assert not verdict(ROUTE, links, RULES).is_good
    assert verdict(ROUTE, links, replace_rules(ignore={"items[].links": "the service has none"})).is_good
    both = seen(400, (("at", "price"), 90), fields={"at": Field(200, 190), "price": Field(90)})
    assert verdict(ROUTE, both, RULES).mismatches == 90
    assert counted(("at", "price"), both, RULES) == ("price",)


def replace_rules(**changes):
    return RULES.model_copy(update=changes)


def test_samples_that_stay_undecided_count_as_the_worst():
    assert not verdict(ROUTE, seen(1000, lagging=20), RULES).is_good
    assert verdict(ROUTE, seen(1000, lagging=1), RULES).is_good


def test_a_route_that_writes_or_was_not_seen_of_late_is_not_good():
    assert "not pure" in verdict(ROUTE, seen(1000, impure=1), RULES).why
    assert "25.0 h old" in verdict(ROUTE, replace(seen(1000), age=90_000.0), RULES).why


def test_a_plan_with_the_stage_names_its_pure_routes_and_they_are_the_domains_own():
    routes = (Route(path="/api/p"), Route(path="/api/w", methods=("POST",)))
    assert problems(None, True, routes)
    assert problems(None, False, routes) == []
    assert problems(RULES, True, routes) == []
    assert "no GET route" in problems(replace_rules(routes=("/api/w",)), True, routes)[0]
    assert "no GET route" in problems(replace_rules(routes=("/api/products",)), True, routes)[0]


@pytest.mark.parametrize(
    "wrong",
    [{"routes": []}, {"routes": ["api/p"]}, {"sample": "0%"}, {"sample": 0.05}, {"sample": "101%"}, {"rate": 0},
     {"mismatches": "0%"}, {"fresh": "soon"}, {"headers": ["Content-Type"]}],
)  # fmt: skip
def test_a_section_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError):
        ShadowRules.model_validate({"routes": [ROUTE], **wrong})


def outcome(path, secret="Alice"):
    difference = Difference(path, secret, "Bob")
    return Outcome("d", ROUTE, "r1", Kind.COMPARED, Comparison(frozenset({path}), frozenset(), (difference,)))


def test_a_tally_stays_small_whatever_comes():
    tally = Tally({})
    for number in range(2000):
        tally.add(outcome(f"f{number}"))
        tally.add(outcome("name"))
    sums = tally.take()
    assert sums.kinds["d", ROUTE, Kind.COMPARED] == 4000
    assert len(sums.groups) <= MOST_GROUPS + 2
    assert sums.groups["d", ROUTE, (OTHERS,)] > 1000
    assert sum(1 for one in sums.examples if one.path == "name") == EXAMPLES
    assert tally.take().kinds == {}
    tally.give_back(sums)
    assert tally.take().kinds == sums.kinds


def test_a_tally_keeps_shapes():
    tally = Tally({"other": ["name"]})
    tally.add(outcome("name", secret="Älice 12"))
    assert [(one.monolith, one.service) for one in tally.take().examples] == [('"Aaaaa 99"', '"Aaa"')]
