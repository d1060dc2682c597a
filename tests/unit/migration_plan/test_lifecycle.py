"""The life of a domain as data: every pair of stages, legal and illegal."""

from __future__ import annotations

from itertools import product

import pytest

from migration_plan.errors import StageRefused
from migration_plan.lifecycle import FINAL, OWNER, TRANSITIONS, Act, Side, Stage, diagram, next_stage

PLAN = tuple(Stage)


def test_every_transition_has_its_way_back():
    assert all((after, now) in TRANSITIONS for now, after in TRANSITIONS if after is not FINAL)


def test_nothing_leads_out_of_the_last_stage():
    assert not [now for now, _ in TRANSITIONS if now is FINAL]
    with pytest.raises(StageRefused, match="a way back would lose them"):
        next_stage(PLAN, FINAL, forward=False)


def test_a_switch_happens_exactly_where_the_owner_changes():
    for (now, after), act in TRANSITIONS.items():
        assert (act is Act.SWITCH) == (OWNER[now] is not OWNER[after])


@pytest.mark.parametrize(("now", "to", "forward"), list(product(Stage, Stage, (True, False))))
def test_only_the_neighbour_can_follow(now, to, forward):
    neighbour = now is not FINAL and PLAN.index(to) - PLAN.index(now) == (1 if forward else -1)
    if neighbour:
        assert next_stage(PLAN, now, forward, to) is to
    else:
        with pytest.raises(StageRefused) as refused:
            next_stage(PLAN, now, forward, to)
        assert ("possible:" in refused.value.next_step) or now is FINAL


def test_the_diagram_shows_every_transition():
    assert len(diagram().splitlines()) == len(TRANSITIONS)


def test_the_other_side_of_the_other_side_is_the_side():
    assert all(side.other.other is side for side in Side)
