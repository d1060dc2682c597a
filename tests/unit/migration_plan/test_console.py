"""What the console decides without any server: the ten steps, the map, who has to wait, how a figure is written."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from migration_plan.console.entry import Throttle, Tickets
from migration_plan.console.glance import Glance
from migration_plan.console.live import Live
from migration_plan.console.orders import ACTS, NoSuchAct, Order, act_named, needed_role, offered
from migration_plan.console.run_view import announced, shown
from migration_plan.console.runs import Run, Said, died
from migration_plan.console.switch_steps import TEN, Mark, State, of_journal, view
from migration_plan.console.tree import grow
from migration_plan.console.wording import seconds, size
from migration_plan.journal.access import Forbidden, Role
from migration_plan.journal.entries import Entry
from migration_plan.lifecycle import Stage
from migration_plan.recovering.recovery import Case

ALL = tuple(Stage)
KINDS = [kind for _, kind, _ in TEN]
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def entries(*kinds: str, reason: str = "why", case: Case | None = None) -> list[Entry]:
    switch = uuid4()
    return [
        Entry(number, BEGAN + timedelta(milliseconds=10 * number), "catalog", switch, kind, 2, "ada@host:1",
              {"giver": "monolith", "taker": "service", "case": case}, reason=reason)
        for number, kind in enumerate(kinds)
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(1, len(KINDS)))
def test_after_each_step_the_next_one_is_under_way_and_none_after_it(number: int) -> None:
    found = view([Mark(10.0 * n, kind) for n, kind in enumerate(KINDS[:number])], 200.0)
    assert [step.state for step in found.steps[:number]] == [State.DONE] * number
    assert found.steps[number].state is State.NOW
    assert {step.state for step in found.steps[number + 1 :]} <= {State.AHEAD}


def test_the_hold_counts_from_the_last_attempt_until_the_route() -> None:
    marks = [Mark(0, "intent"), Mark(100, "held"), Mark(900, "held"), Mark(920, "fenced")]
    assert view(marks, 950.0).hold == 50.0
    assert view(marks, 950.0).is_held
    done = view([*marks, Mark(960, "routed"), Mark(990, "done")], None, "done")
    assert done.hold == 60.0
    assert not done.is_held
    assert {step.state for step in done.steps} == {State.DONE}


def test_what_was_taken_back_shows_which_steps_never_came() -> None:
    found, _ = of_journal(entries("intent", "held", "fenced", "aborted")) or pytest.fail("no switch")
    states = {step.name: step.state for step in found.steps}
    assert (states["fence"], states["release"], states["done"]) == (State.DONE, State.NEVER, State.NEVER)
    assert found.outcome == "aborted"


@pytest.mark.parametrize(
    ("case", "outcome", "last"),
    [(Case.FINISH_GRANT, "finished", State.DONE), (Case.NOTHING_HAPPENED, "taken back", State.NEVER)],
)
def test_what_a_controller_recovered_is_over_and_says_how(case: Case, outcome: str, last: State) -> None:
    found, _ = of_journal(entries("intent", "recovered", case=case)) or pytest.fail("no switch")
    assert found.is_over
    assert (found.outcome, found.steps[-1].state) == (outcome, last)


def test_a_newer_switch_of_somebody_else_is_shown_instead_of_an_old_order() -> None:
    run = Run(
        Order("catalog", "verify", "long ago", "", "ada", Role.ADMIN), at=BEGAN - timedelta(hours=1), is_over=True
    )
    newest = shown(run, entries("intent", "done", reason="from a shell"))
    assert newest is not None
    assert (newest.is_here, newest.reason) == (False, "from a shell")
    assert shown(None, []) is None


@pytest.mark.parametrize("stage", ALL)
def test_every_stage_offers_only_what_is_possible_and_unfinished_work_only_its_end(stage: Stage) -> None:
    found = offered(ALL, stage, True)
    assert len({(act.name, to) for act, to in found}) == len(found)
    assert all(act.name in ACTS for act, _ in found)
    assert [act.name for act, _ in offered(ALL, stage, False)] == ["resume"]
    assert ("freeze" in [act.name for act, _ in found]) == (stage is Stage.CANARY)


def test_looking_is_no_right_to_act_and_there_is_no_way_back_but_by_an_admin() -> None:
    assert {act.role for act in ACTS.values()} == {Role.OPERATOR}
    assert needed_role(ACTS["advance"], Stage.RETIRED) is Role.ADMIN
    with pytest.raises(NoSuchAct, match="eject"):
        act_named("eject")


def test_an_order_survives_its_way_to_the_worker() -> None:
    order = Order("catalog", "advance", "“why”", "ada", "ada", Role.OPERATOR, Stage.SERVICE, True)
    assert Order.parse(order.as_json()) == order


def test_a_ticket_of_another_key_and_a_used_one_let_nobody_in() -> None:
    tickets = Tickets("one key")
    ticket = tickets.make("ada", "ada")
    with pytest.raises(Forbidden, match="no link of this console"):
        Tickets("another key").take(ticket)
    assert tickets.take(ticket) == ("ada", "ada")
    with pytest.raises(Forbidden, match="used before"):
        tickets.take(ticket)


def test_who_guesses_has_to_wait_and_others_have_not() -> None:
    now = [0.0]
    throttle = Throttle(most=3, seconds=60, clock=lambda: now[0])
    for _ in range(3):
        assert throttle.wait("a") == 0.0
        throttle.failed("a")
    now[0] = 20.0
    assert throttle.wait("a") == 40.0
    assert throttle.wait("b") == 0.0
    now[0] = 60.0
    assert throttle.wait("a") == 0.0


def test_the_fig_grows_with_every_stage_and_is_the_same_at_every_look() -> None:
    trees = [grow([("catalog", stage), ("users", Stage.MONOLITH)]) for stage in ALL]
    laid = [len(tree.courses[0].strands) for tree in trees]
    assert laid == sorted(laid)
    assert (laid[0], trees[0].courses[0].root) == (0, ())
    assert [tree.courses[0].is_hollow for tree in trees] == [False] * 5 + [True]
    assert len(trees[0].crown) < len(trees[4].crown)
    assert grow([("catalog", Stage.SYNC)]) == grow([("catalog", Stage.SYNC)])
    assert trees[4].told == (
        "1 of 2 domains belong to their services: catalog in stage service, owned by the service,"
        " users in stage monolith, owned by the monolith."
    )


@pytest.mark.parametrize(
    ("value", "said"), [(None, "–"), (0.042, "42 ms"), (7.25, "7.2 s"), (75, "1 min 15 s"), (3700, "1 h 1 min")]
)
def test_times_are_written_for_people(value: float | None, said: str) -> None:
    assert seconds(value) == said


def test_sizes_are_written_for_people() -> None:
    assert [size(None), size(12), size(2048), size(5 * 1024**3)] == ["–", "12 B", "2.0 KiB", "5.0 GiB"]


def ordered(act: str, **how: object) -> Run:
    return Run(Order("catalog", act, "why", "", "ada", Role.ADMIN, is_switch=act == "advance"), at=BEGAN, **how)  # type: ignore[arg-type]


def test_a_schema_that_was_migrated_is_accepted_before_anything_else_and_only_then() -> None:
    assert offered(ALL, Stage.SYNC, True, True)[0] == (ACTS["accept"], None)
    assert "accept" not in [act.name for act, _ in offered(ALL, Stage.SYNC, True)]


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        ({"rows": 7, "differences": 0}, ("done", "good")),
        ({"rows": 7, "differences": 2}, ("rows differ", "bad")),
        ({"text": "…", "good": False, "problems": ["slow"]}, ("not good", "bad")),
        (None, ("under way", "plain")),
    ],
)
def test_an_act_that_ended_is_not_called_good_for_that_alone(
    result: dict[str, object] | None, verdict: tuple[str, str]
) -> None:
    seen = shown(ordered("verify", result=result), [])
    assert seen is not None
    assert seen.verdict == verdict


def test_what_came_of_an_act_is_written_in_words_and_what_is_empty_is_not() -> None:
    result = {"domain": "catalog", "streams": ["a", "b"], "new_tables": [], "seconds": 0.25, "switch": {"x": 1}}
    seen = shown(ordered("accept", result=result), [])
    assert seen is not None
    assert seen.facts == {"streams": "a, b", "seconds": "0.25"}


def test_a_switch_whose_process_died_is_shown_as_the_journal_has_it_and_another_act_says_what_is_left() -> None:
    error = died(ordered("advance").order)
    left = shown(ordered("advance", error=error, is_over=True), entries("intent"))
    assert left is not None
    assert (left.is_here, left.is_moving) == (False, True)
    ended = shown(ordered("advance", error=error, is_over=True), entries("intent", "recovered", case=Case.FINISH_GRANT))
    assert ended is not None
    assert ended.verdict == ("finished by a controller", "plain")
    rehearsed = shown(ordered("rehearse", error=died(ordered("rehearse").order), is_over=True), entries("intent"))
    assert rehearsed is not None
    assert rehearsed.verdict == ("not done", "bad")
    assert "nothing live was touched" in str(rehearsed.error)


def test_each_step_is_announced_and_what_is_said_of_parts_is_not() -> None:
    live = Live("catalog", ALL, Stage.SYNC, "monolith", 1, True)
    run = ordered("advance", said=[Said(1, "allowed"), Said(2, "held"), Said(3, "fenced")])
    assert announced("catalog", shown(run, entries("intent")), live).endswith("is under way: step 5 of 10, drain.")
    run = ordered("rehearse", said=[Said(1, "servers"), Said(2, "  pg-monolith healthy")])
    seen = shown(run, [])
    assert announced("catalog", seen, live) == "Rehearse of catalog is under way: servers."
    assert seen is not None
    assert seen.ends_by.startswith("Stop it")


def test_who_asks_while_a_look_hangs_is_told_what_was_seen_before() -> None:
    looks, may_end = [], threading.Event()

    def look() -> int:
        looks.append(1)
        if len(looks) > 1:
            may_end.wait(10)
        return len(looks)

    glance = Glance(look)
    assert glance.now(0, 5)[0] == 1
    assert glance.now(60, 5)[0] == 1
    assert [glance.now(0, 0.01)[0] for _ in range(3)] == [1, 1, 1]
    assert len(looks) == 2
    may_end.set()
    assert glance.now(60, 5)[0] == 2
    glance.forget()
    assert glance.now(60, 5)[0] == 3


def test_what_a_look_raises_is_raised_to_whoever_asks_until_one_succeeds() -> None:
    answers: list[int | ValueError] = [1, ValueError("away"), 2]

    def look() -> int:
        found = answers.pop(0)
        if isinstance(found, ValueError):
            raise found
        return found

    glance = Glance(look)
    assert glance.now(0, 5)[0] == 1
    with pytest.raises(ValueError, match="away"):
        glance.now(0, 5)
    assert glance.now(0, 5)[0] == 2
