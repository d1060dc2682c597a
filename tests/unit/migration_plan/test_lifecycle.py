"""The life of a domain as data: every pair of stages, legal and illegal, in every plan that is possible."""

from __future__ import annotations

from itertools import product

import pytest

from migration_plan.errors import StageRefused
from migration_plan.lifecycle import (
    FINAL,
    OWNER,
    TRANSITIONS,
    Act,
    Side,
    Stage,
    diagram,
    next_stage,
    path,
    possible,
    problem_of,
    reachable,
)

WHOLE = tuple(Stage)
PLANS = [
    tuple(stage for stage in Stage if stage not in left_out)
    for left_out in ((), (Stage.SHADOW,), (Stage.CANARY,), (Stage.SHADOW, Stage.CANARY))
]


def test_from_every_stage_but_the_last_one_a_plan_leads_back_to_the_first():
    for plan, start in product(PLANS, Stage):
        if start is FINAL or start not in plan:
            continue
        now = start
        while now is not Stage.MONOLITH:
            now = next_stage(plan, now, forward=False)


def test_nothing_leads_out_of_the_last_stage():
    assert not [now for now, _ in TRANSITIONS if now is FINAL]
    with pytest.raises(StageRefused, match="a way back would lose them"):
        next_stage(WHOLE, FINAL, forward=False)


def test_a_switch_happens_exactly_where_the_owner_changes():
    for (now, after), act in TRANSITIONS.items():
        assert (act is Act.SWITCH) == (OWNER[now] is not OWNER[after])


@pytest.mark.parametrize("plan", PLANS, ids=len)
def test_every_plan_goes_forward_through_all_of_its_stages(plan: tuple[Stage, ...]):
    assert problem_of(plan) == ""
    now = plan[0]
    for after in plan[1:]:
        assert next_stage(plan, now, forward=True) is after
        now = after


@pytest.mark.parametrize("plan", PLANS, ids=len)
def test_a_service_that_is_given_up_is_shown_to_nobody_at_once(plan: tuple[Stage, ...]):
    assert next_stage(plan, Stage.SERVICE, forward=False) is Stage.SYNC
    assert reachable(plan, Stage.SERVICE, forward=False) == [Stage.SYNC]


def test_a_canary_goes_back_one_stage_or_out_of_everybodys_sight():
    assert next_stage(WHOLE, Stage.CANARY, forward=False) is Stage.SHADOW
    assert next_stage(WHOLE, Stage.CANARY, forward=False, to=Stage.SYNC) is Stage.SYNC


@pytest.mark.parametrize(("now", "to", "forward"), list(product(Stage, Stage, (True, False))))
def test_only_what_the_table_says_can_follow(now, to, forward):
    legal = (now, to) in TRANSITIONS and (
        WHOLE.index(to) == WHOLE.index(now) + 1 if forward else WHOLE.index(to) < WHOLE.index(now)
    )
    if legal:
        assert next_stage(WHOLE, now, forward, to) is to
    else:
        with pytest.raises(StageRefused) as refused:
            next_stage(WHOLE, now, forward, to)
        assert ("possible:" in refused.value.next_step) or now is FINAL


def test_a_stage_that_was_taken_out_of_the_plan_is_named():
    with pytest.raises(StageRefused, match='stage "canary", which its plan does not name any more'):
        next_stage((Stage.MONOLITH, Stage.SYNC, Stage.SERVICE), Stage.CANARY, forward=True)


@pytest.mark.parametrize(
    "stages",
    [
        (Stage.SYNC, Stage.SERVICE),
        (Stage.MONOLITH, Stage.SERVICE),
        (Stage.MONOLITH, Stage.SYNC, Stage.RETIRED),
        (Stage.MONOLITH, Stage.SYNC, Stage.CANARY, Stage.SHADOW),
        (Stage.MONOLITH, Stage.SYNC, Stage.SERVICE, Stage.SYNC),
        (Stage.MONOLITH, Stage.SYNC, Stage.SYNC),
    ],
    ids=str,
)
def test_what_is_no_life_is_said(stages: tuple[Stage, ...]):
    assert problem_of(stages)


def test_the_diagram_shows_every_transition():
    assert len(diagram().splitlines()) == len(TRANSITIONS)


def test_a_plans_way_shows_where_the_domain_is():
    assert path(PLANS[3], Stage.SYNC) == "monolith > [sync] > service > retired"


def test_what_is_possible_names_every_way_back():
    assert possible(WHOLE, Stage.CANARY) == "advance (to service), rollback (to shadow or sync)"


def test_the_other_side_of_the_other_side_is_the_side():
    assert all(side.other.other is side for side in Side)
