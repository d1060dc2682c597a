"""Both sides' consumers: each event takes effect once, on the owner, whatever happens to the broker."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.events.conftest import INBOX, Broker, Side, event
from tests.support.waiting import wait_until

DEAD, RETRY = f"{INBOX}.dead", f"{INBOX}.retry"


@pytest.fixture
def listening(side: Side, broker: Broker) -> Side:
    side.start()
    wait_until(lambda: broker.is_declared() and broker.consumers() == 1, 15, "the side listens", every=0.05)
    return side


def test_an_event_that_comes_twice_takes_effect_once(listening: Side, broker: Broker) -> None:
    first, second = event(), event("user.signed_up")
    first["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    broker.publish(first, first)
    broker.publish(second, domain="users")
    broker.publish(first)
    listening.wait_for([first, second])
    wait_until(lambda: broker.waiting() == 0, 5, "the inbox is empty")
    taken = [line for line in map(json.loads, listening.said().splitlines()) if line["message"] == "taken"]
    assert {line.get("trace_id") for line in taken if line["event"] == first["id"]} == {first["traceparent"][3:35]}
    assert {line.get("trace_id") for line in taken if line["event"] == second["id"]} == {None}


def test_what_can_never_be_handled_is_dead_after_five_attempts_and_nothing_waits_for_it(
    listening: Side, broker: Broker
) -> None:
    listening.execute("insert into trouble values ('order.cursed')")
    cursed, fine = event("order.cursed"), event()
    broker.publish(cursed, fine)
    listening.wait_for([fine])
    wait_until(lambda: broker.waiting(DEAD) == 1, 15, "the cursed event is dead", every=0.05)
    assert broker.waiting() == broker.waiting(RETRY) == 0
    [(rows,)] = listening.execute("select count(*) from inbox where type = 'order.cursed'")
    assert rows == 0


def test_what_is_no_event_is_dead_at_once(listening: Side, broker: Broker) -> None:
    strange: list[Any] = ["{", "[]", '{"id": "7", "type": "a", "data": {}, "occurred_at": "2026-01-01T00:00:00Z"}']
    broker.publish(*strange)
    fine = event()
    broker.publish(fine)
    listening.wait_for([fine])
    wait_until(lambda: broker.waiting(DEAD) == len(strange), 5, "they are dead", every=0.05)


def test_a_fenced_event_waits_and_counts_no_attempt(listening: Side, broker: Broker) -> None:
    """The fence comes before the record is read: for a moment the consumer still believes that it owns."""
    with listening.connect() as connection:
        connection.execute("alter table inbox enable trigger a_fig_fence")
    late = event()
    broker.publish(late)
    wait_until(lambda: listening.said().count("events wait") >= 7, 20, "it was refused seven times", every=0.05)
    assert broker.waiting(DEAD) == broker.waiting(RETRY) == 0
    listening.become("owner")
    listening.wait_for([late])


def test_the_other_side_takes_over_where_ownership_goes(
    monolith_side: Side, service_side: Side, broker: Broker
) -> None:
    service_side.become("standby")
    for side in (monolith_side, service_side):
        side.start()
    before, during, after = ([event() for _ in range(20)] for _ in range(3))
    wait_until(lambda: broker.is_declared() and broker.consumers() == 1, 60, "the owner listens", every=0.05)
    broker.publish(*before)
    monolith_side.wait_for(before)
    assert broker.consumers() == 1, "only the owner listens"
    assert service_side.written() == []
    monolith_side.become("standby")
    broker.publish(*during)
    service_side.become("owner")
    service_side.wait_for(during)
    service_side.become("standby")
    monolith_side.become("owner")
    broker.publish(*after)
    monolith_side.wait_for(before + after)
    service_side.wait_for(during)


def test_a_database_that_is_away_costs_no_attempt(listening: Side, broker: Broker) -> None:
    with psycopg.connect(listening.server.dsn(), autocommit=True) as admin:
        admin.execute(f"alter database {listening.database} allow_connections false")
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [listening.database])
        late = event()
        broker.publish(late)
        wait_until(lambda: listening.said().count("events wait") >= 6, 20, "it could not be written", every=0.05)
        assert broker.waiting(DEAD) == broker.waiting(RETRY) == 0
        admin.execute(f"alter database {listening.database} allow_connections true")
    listening.wait_for([late])


@pytest.mark.parametrize("side", [pytest.param("monolith", marks=pytest.mark.full), "service"], indirect=True)
def test_nothing_is_lost_or_doubled_when_consumers_and_broker_die(side: Side, broker: Broker) -> None:
    side.start()
    # What is published before the queue is bound goes nowhere; the product's publisher sees that, this one does not.
    wait_until(lambda: broker.is_declared() and broker.consumers() == 1, 60, "the side listens", every=0.05)
    sent: list[dict[str, Any]] = []
    for _ in range(3):
        sent += (batch := [event() for _ in range(40)])
        broker.publish(*batch)
        side.send(signal.SIGKILL)
        side.start()
    broker.kill()
    broker.server.start()
    sent.append(event())
    broker.publish(sent[-1])
    side.wait_for(sent, 180)


def test_a_frozen_broker_is_given_up_and_found_again_and_the_process_stops_in_time(
    listening: Side, broker: Broker
) -> None:
    broker.server.send(signal.SIGSTOP)
    listening.send(signal.SIGTERM)
    started = time.monotonic()
    wait_until(lambda: has_ended(listening), 10, "it ends")
    assert time.monotonic() - started < 8
    listening.start()
    broker.server.send(signal.SIGCONT)
    late = event()
    broker.publish(late)
    listening.wait_for([late])


def has_ended(side: Side) -> bool:
    return side.process().poll() is not None


def test_the_service_answers_http_whatever_the_broker_does(service_side: Side, broker: Broker) -> None:
    """Started without a broker, too: SIGSTOP before the start is the worst of both."""
    broker.server.send(signal.SIGSTOP)
    service_side.start()
    for _ in range(10):
        started = time.monotonic()
        assert httpx.get(f"{service_side.url}/alive").status_code == 200
        assert time.monotonic() - started < 1
    broker.server.send(signal.SIGCONT)
    wait_until(lambda: broker.is_declared() and broker.consumers() == 1, 20, "it listens", every=0.05)


def test_a_timer_runs_on_the_owner_only_and_never_twice_at_once(service_side: Side) -> None:
    service_side.start()

    def ticks() -> int:
        return int(service_side.execute("select count(*) from tick")[0][0])

    wait_until(lambda: ticks() >= 4, 10, "it ticks", every=0.05)
    service_side.become("standby")
    wait_until(lambda: not service_side.execute("select 1 from tick where ended is null"), 5, "its run ends")
    then = ticks()
    wait_until(lambda: service_side.execute("select pg_sleep(1)"), 5, "a second passes")
    assert ticks() == then
    overlaps = "select 1 from tick a join tick b on a.run <> b.run and a.moment < b.ended and b.moment < a.ended"
    assert service_side.execute(overlaps) == []
    service_side.become("owner")
    wait_until(lambda: ticks() > then, 5, "it ticks again", every=0.05)
    started = time.monotonic()
    service_side.send(signal.SIGTERM)
    wait_until(lambda: has_ended(service_side), 10, "it ends")
    assert time.monotonic() - started < 6
