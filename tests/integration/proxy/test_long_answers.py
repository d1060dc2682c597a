"""Answers that go on for long: nobody waits for one that is read; one to a write is in flight until its end."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import pytest

from tests.integration.proxy.origin import Answer
from tests.support.waiting import wait_until

PATH = "/api/catalog/products"
EVENTS = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}


def epoch_of(world):
    return world.client.routes()["catalog"].epoch


class Told:
    """What an application tells, event by event, as a test says it; None ends it."""

    def __init__(self) -> None:
        self.events: queue.Queue[bytes | None] = queue.Queue()

    def pieces(self) -> Iterator[bytes]:
        while (event := self.events.get(timeout=30)) is not None:
            yield event

    def behaviour(self, _) -> Answer:
        return Answer(headers=EVENTS, pieces=self.pieces())


def test_a_stream_that_is_read_goes_on_from_its_side_and_no_switch_waits_for_it(world):
    told, epoch = Told(), epoch_of(world)
    world.monolith.behaviour = told.behaviour
    with world.user().stream("GET", PATH) as open_before:
        received = open_before.iter_raw()
        for number in range(3):
            told.events.put(b"data: %d\n\n" % number)
            assert next(received) == b"data: %d\n\n" % number, "each event arrives when it is told"
        world.client.hold("catalog", epoch, 10)
        assert world.client.inflight("catalog") == 0
        world.client.set_route("catalog", epoch + 1, "service")
        assert world.user().get(PATH).text == "catalog", "whoever comes now is answered by the new owner"
        told.events.put(b"data: after\n\n")
        assert next(received) == b"data: after\n\n"
        told.events.put(None)
        assert list(received) == []


def test_a_write_is_in_flight_until_its_answer_ends(world):
    told = Told()
    world.monolith.behaviour = told.behaviour
    with world.user().stream("POST", PATH, content=b"x") as answer:
        received = answer.iter_raw()
        told.events.put(b"data: begun\n\n")
        assert next(received) == b"data: begun\n\n"
        assert world.client.inflight("catalog") == 1
        told.events.put(None)
        assert list(received) == []
    wait_until(lambda: world.client.inflight("catalog") == 0, 10, "it has ended")


def test_whoever_stops_reading_a_stream_ends_it_at_the_application(world):
    ended: queue.Queue[bool] = queue.Queue()

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield b"data: on\n\n" * 1000
        finally:
            ended.put(True)

    world.monolith.behaviour = lambda _: Answer(headers=EVENTS, pieces=pieces())
    with world.user().stream("GET", PATH) as answer:
        next(answer.iter_raw())
    assert ended.get(timeout=20)


@pytest.mark.parametrize("word", ["websocket", "WebSocket"])
def test_a_websocket_is_refused_by_name_and_other_upgrades_are_ignored(world, word):
    answer = world.user().get(PATH, headers={"Upgrade": word, "Connection": "Upgrade"})
    assert (answer.status_code, answer.json()["type"]) == (501, "/problems/websocket")
    assert answer.headers["content-type"] == "application/problem+json"
    answer = world.user().get(PATH, headers={"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings"})
    assert (answer.status_code, answer.text) == (200, "monolith")
    assert len(world.monolith.arrivals) == 1
