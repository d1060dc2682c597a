"""Messages that are claimed and not yet sent when notifications moves: at most once, and what nobody knows is shown.

Each claim holds for the way there and for the way back (I3). A mail server does not know a mail again: who dies between
the claim and its outcome leaves a doubt, which people see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from migration_plan.lifecycle import Side
from tests.doubles.control import MailControl
from tests.doubles.faults import Kind
from tests.load.moving import Moving
from tests.shop.in_flight.sending import Queue, Sending
from tests.support.stack import Stack
from tests.support.waiting import wait_until

# A minute of waiting for what must not happen.
pytestmark = pytest.mark.full

LOST, KILLED_AFTER, KILLED_BEFORE = "the answer is lost", "killed after handing over", "killed before handing over"
REFUSED, UNDER_WAY, BEFORE = "refused at first", "being sent when the switch begins", "sent before the switch"
# What people are shown in the end, and how often the mail came.
ENDS = {
    LOST: ("in_doubt", 1),
    KILLED_AFTER: ("in_doubt", 1),
    KILLED_BEFORE: ("in_doubt", 0),
    REFUSED: ("sent", 1),
    UNDER_WAY: ("sent", 1),
    BEFORE: ("sent", 1),
}


@dataclass
class Crossing:
    """One switch of notifications, and what was seen meanwhile."""

    sending: Sending
    shown_before: dict[str, str] = field(default_factory=dict)
    shown_after: dict[str, str] = field(default_factory=dict)
    under_way: dict[str, str] = field(default_factory=dict)
    """How the attempt that was under way stood at each step of the switch."""

    def shown(self) -> dict[str, str]:
        return {story: self.sending.state(story) for story in (LOST, KILLED_AFTER, KILLED_BEFORE)}


@pytest.fixture(scope="module")
def moving(stack: Stack) -> Moving:
    moving = Moving(stack, "notifications")
    moving.begin_sync()
    return moving


@pytest.fixture(scope="module", params=[Side.SERVICE, Side.MONOLITH], ids=["rollback", "cutover"])
def crossing(request: pytest.FixtureRequest, stack: Stack, moving: Moving, mail: MailControl) -> Iterator[Crossing]:
    giver: Side = request.param
    moving.give_to(giver)
    crossing = Crossing(Sending(stack, mail, giver))
    begin(crossing)
    switch(crossing, moving)
    end(crossing)
    yield crossing
    mail.heal()


def begin(crossing: Crossing) -> None:
    sending = crossing.sending
    for story in (REFUSED, UNDER_WAY):
        sending.refused_at_first(story)
    sending.answer_lost(LOST)
    sending.killed_after_handing_over(KILLED_AFTER)
    sending.killed_before_handing_over(KILLED_BEFORE)
    # The sender is back at its work, too.
    sending.person(BEFORE)
    sending.wait_for(BEFORE, "sent")
    crossing.shown_before = crossing.shown()


def switch(crossing: Crossing, moving: Moving) -> None:
    """It begins when the mail server has a mail and has not answered yet."""
    sending, person = crossing.sending, crossing.sending.people[UNDER_WAY]

    def look(checkpoint: str) -> None:
        if checkpoint == "after-intent" and not crossing.under_way:
            sending.fail(person.email, Kind.SLOW)
            sending.queue.make_due(person)
            wait_until(lambda: len(sending.handed_over(person)) == 2, 10, "it is handed over", every=0.02)
        if checkpoint in ("after-intent", "after-fence"):
            crossing.under_way.setdefault(checkpoint, sending.handed_over(person)[-1]["ending"])

    assert moving.give_to(sending.giver.other, look) is not None


def end(crossing: Crossing) -> None:
    sending = crossing.sending
    crossing.shown_after = crossing.shown()
    queue = Queue.of(sending.stack, sending.giver.other)
    queue.let_claims_grow_old()
    for story in (KILLED_AFTER, KILLED_BEFORE):
        sending.wait_for(story, "in_doubt")
    # Whatever could be sent again would be by the time that this one is.
    queue.make_due(sending.people[REFUSED])
    sending.wait_for(REFUSED, "sent")


@pytest.mark.parametrize("story", list(ENDS))
def test_each_mail_comes_once_at_most_and_its_state_is_shown(crossing: Crossing, story: str) -> None:
    state, copies = ENDS[story]
    assert crossing.sending.state(story) == state
    assert len(crossing.sending.mail.mails(crossing.sending.people[story].email)) == copies


def test_no_mail_came_twice(crossing: Crossing) -> None:
    came = Counter(one["message_id"] for one in crossing.sending.mail.mails())
    assert [one for one, number in came.items() if number > 1] == []


def test_a_claim_without_outcome_is_shown_as_it_was_by_whoever_owns_it_next(crossing: Crossing) -> None:
    expected = {LOST: "in_doubt", KILLED_AFTER: "sending", KILLED_BEFORE: "sending"}
    assert (crossing.shown_before, crossing.shown_after) == (expected, expected)


def test_the_fence_waits_for_a_message_that_is_being_sent(crossing: Crossing) -> None:
    assert crossing.under_way == {"after-intent": "in progress", "after-fence": "answered"}


def test_both_sides_hold_the_same(crossing: Crossing, moving: Moving) -> None:
    assert moving.differences() == 0
