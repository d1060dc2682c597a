"""The recovery table: each row of it, both directions, and no pair of rows without an answer."""

from __future__ import annotations

from itertools import product

import pytest

from migration_plan.lifecycle import Row, Side
from migration_plan.recovering.recovery import Case, Intent, Known, decide

E = 6  # The giver's epoch as owner before the switch.


def rows(giver: Side, ours: tuple[str, int] | None, theirs: tuple[str, int] | None) -> dict[Side, Row | None]:
    return {
        giver: None if ours is None else Row(giver, *ours, "0/1"),
        giver.other: None if theirs is None else Row(giver.other, *theirs),
    }


TABLE = [
    (("owner", E), ("standby", E), True, Case.NOTHING_HAPPENED),
    (("owner", E), ("standby", E), False, Case.REST),
    (("fenced", E + 1), ("standby", E), True, Case.ABORT),
    (("fenced", E + 1), None, True, Case.ABORT),
    (("released", E + 1), ("standby", E), True, Case.FINISH_GRANT),
    (("released", E + 1), ("owner", E + 1), True, Case.FINISH_ROUTE),
    (("released", E + 1), None, True, Case.WAIT_FOR_TAKER),
    (("standby", E + 1), ("owner", E + 1), True, Case.FINISH_ROUTE),
    (("owner", E), ("owner", E + 1), False, Case.TWO_OWNERS),
    (("owner", E + 2), ("standby", E), True, Case.FINISH_ROUTE),
    (("fenced", E + 1), ("released", E), True, Case.ABORT),
    (("fenced", E + 1), ("owner", E + 1), True, Case.TWO_OWNERS),
    (None, ("standby", E), True, Case.UNKNOWN),
    (None, None, True, Case.UNKNOWN),
    (("standby", E), ("standby", E), False, Case.NOBODY),
]


@pytest.mark.parametrize("giver", list(Side))
@pytest.mark.parametrize(("ours", "theirs", "intent", "case"), TABLE)
def test_each_row_of_the_table_is_decided_the_same_in_both_directions(giver, ours, theirs, intent, case):
    assert decide(rows(giver, ours, theirs), Intent(giver, E) if intent else None).case is case


def test_the_highest_epoch_among_fenced_and_released_rows_is_the_givers():
    decision = decide(rows(Side.SERVICE, ("fenced", E + 3), ("released", E + 1)))
    assert (decision.giver, decision.epoch) == (Side.SERVICE, E + 3)


@pytest.mark.parametrize("giver", list(Side))
@pytest.mark.parametrize(
    ("ours", "theirs", "past_is_ours"),
    [
        (("fenced", E + 3), ("owner", E), False),  # As it looks to whoever read one row before two switches began.
        (("released", E + 1), ("owner", E - 1), False),
        (("fenced", E + 1), ("owner", E + 1), True),  # The giver has lost its release.
        (("fenced", E + 1), ("owner", E + 2), True),
        (("owner", E), ("owner", E + 1), True),
    ],
)
def test_of_two_owners_the_lower_epoch_is_the_past(giver, ours, theirs, past_is_ours):
    decision = decide(rows(giver, ours, theirs))
    assert decision.case is Case.TWO_OWNERS
    assert (decision.giver, decision.epoch) == ((giver, ours[1]) if past_is_ours else (giver.other, theirs[1]))


PAST = [
    # What the owner's row says, the other one, what the journal knows of the owner and the other side; what it is.
    (("owner", E), ("standby", E + 2), None, Case.OWNER_RESTORED),
    (("owner", E), ("standby", E), ("ours", E + 2), Case.OWNER_RESTORED),
    (("owner", E), ("standby", E), ("theirs", E + 1), Case.STALE_OWNER),
    (("owner", E), None, ("theirs", E + 1), Case.STALE_OWNER),
    (("owner", E), None, ("ours", E + 2), Case.OWNER_RESTORED),
    (("owner", E), ("standby", E + 2), ("theirs", E + 1), Case.OWNER_RESTORED),
    (("owner", E), ("standby", E + 2), ("theirs", E + 3), Case.STALE_OWNER),
    (("owner", E), ("standby", E), ("ours", E), Case.REST),
    (("owner", E), ("standby", E), ("theirs", E - 1), Case.REST),
    (("owner", E + 2), ("standby", E), ("ours", E), Case.REST),
]


@pytest.mark.parametrize("ours", list(Side))
@pytest.mark.parametrize(("owner", "other", "known", "case"), PAST)
def test_an_owner_whom_others_have_outlived_is_not_at_rest(ours, owner, other, known, case):
    witness = known and Known(ours if known[0] == "ours" else ours.other, known[1])
    decision = decide(rows(ours, owner, other), None, witness)
    assert (decision.case, decision.giver, decision.epoch) == (case, ours, owner[1])


OUTLIVED = [
    # The giver's row, the other one, what the journal knows; what it is.
    (("released", E + 1), ("standby", E + 2), None, Case.NOBODY),
    (("fenced", E + 1), ("standby", E + 1), None, Case.NOBODY),
    (("fenced", E + 1), ("standby", E), E + 2, Case.NOBODY),
    (("released", E + 1), None, E + 1, Case.UNKNOWN),
    (("fenced", E + 1), None, E, Case.ABORT),
    (("released", E + 1), ("standby", E), E, Case.FINISH_GRANT),
    (("released", E + 1), ("owner", E + 1), E + 1, Case.FINISH_ROUTE),
]


@pytest.mark.parametrize("giver", list(Side))
@pytest.mark.parametrize(("ours", "theirs", "known", "case"), OUTLIVED)
def test_a_switch_that_others_have_outlived_is_not_ended_by_itself(giver, ours, theirs, known, case):
    """The giver's database was restored to the middle of a switch of long ago."""
    assert decide(rows(giver, ours, theirs), None, known and Known(giver, known)).case is case


@pytest.mark.parametrize("last", list(Side))
def test_of_two_owners_at_one_epoch_the_journals_stays(last):
    decision = decide(rows(Side.MONOLITH, ("owner", E), ("owner", E)), None, Known(last, E))
    assert (decision.case, decision.giver) == (Case.TWO_OWNERS, last.other)


def test_no_decision_ever_makes_an_owner_beside_an_owner():
    """Whatever both rows say, a case that makes somebody an owner finds no owner on the other side."""
    states = [None, *product(("owner", "fenced", "released", "standby"), (E, E + 1, E + 2))]
    for giver, ours, theirs, intent in product(Side, states, states, (None, Intent(Side.MONOLITH, E))):
        pair = rows(giver, ours, theirs)
        decision = decide(pair, intent)
        becomes_owner = {
            Case.ABORT: decision.giver,
            Case.FINISH_GRANT: decision.giver and decision.giver.other,
        }
        side = becomes_owner.get(decision.case)
        if side is not None:
            other = pair[side.other]
            assert other is None or other.state != "owner", (pair, decision)
