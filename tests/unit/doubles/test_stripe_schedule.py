"""When webhooks are sent, without threads or clocks."""

from __future__ import annotations

import pytest

from tests.doubles.stripe.schedule import Disorder, Endpoint, Schedule


def scheduled(disorder: Disorder, *events: str, about: str = "pi_1") -> Schedule:
    schedule = Schedule(lanes=4)
    for number, event in enumerate(events):
        schedule.add(event, "some.type", "{}", about, disorder, now=number / 1000)
    return schedule


def sent(schedule: Schedule, now: float) -> list[str]:
    """What all lanes would send by then."""
    found = []
    for lane in range(4):
        while delivery := schedule.take_due(lane, now)[0]:
            found.append(delivery.event_id)
    return found


def test_events_of_one_payment_keep_their_order():
    assert sent(scheduled(Disorder(), "a", "b", "c"), now=1) == ["a", "b", "c"]


def test_a_doubled_event_is_sent_as_often_as_told():
    assert sent(scheduled(Disorder(copies=2), "a", "b"), now=1) == ["a", "a", "b", "b"]


def test_a_delayed_event_waits_its_time():
    schedule = scheduled(Disorder(delay=5), "a")
    assert sent(schedule, now=4.9) == []
    assert sent(schedule, now=5) == ["a"]


def test_a_full_group_goes_out_backwards_at_once():
    schedule = scheduled(Disorder(reorder=3, patience=60), "a", "b")
    assert sent(schedule, now=1) == []
    schedule.add("c", "some.type", "{}", "pi_2", Disorder(reorder=3, patience=60), now=1)
    assert sent(schedule, now=1) == ["c", "b", "a"]


def test_a_group_that_stays_too_small_goes_out_backwards_when_patience_ends():
    schedule = scheduled(Disorder(reorder=3, patience=2), "a", "b")
    assert sent(schedule, now=1.9) == []
    assert sent(schedule, now=2) == ["b", "a"]
    schedule.add("c", "some.type", "{}", "pi_1", Disorder(), now=2)
    assert sent(schedule, now=2) == ["c"]


def test_released_means_now():
    schedule = scheduled(Disorder(delay=3600), "a", "b")
    schedule.release(now=1)
    assert sent(schedule, now=1) == ["a", "b"]


def test_what_failed_comes_again_and_later_events_overtake_it():
    schedule = scheduled(Disorder(), "a", "b")
    lane = schedule.all[0].lane
    failed, _ = schedule.take_due(lane, now=1)
    assert failed is not None
    schedule.put_back(failed, due=2)
    assert sent(schedule, now=1) == ["b"]
    assert schedule.take_due(lane, now=1) == (None, 1)
    assert sent(schedule, now=2) == ["a"]


@pytest.mark.parametrize(("failures", "pause"), [(1, 0.5), (2, 1), (3, 2), (7, 30), (5000, 30)])
def test_pauses_double_up_to_the_longest(failures: int, pause: float):
    assert Endpoint(url="http://shop.test/hook", secret="s").pause_after(failures) == pause
