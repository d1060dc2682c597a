"""I4, the service's part: a process that is stopped under load drops no request."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.integration.catalog.processes import ServiceProcess
from tests.support.clients import Answer, Client
from tests.support.waiting import wait_until

PROBE = "tests.integration.catalog.probe_service:ProbeService"
CLIENTS = 8


class Poster(threading.Thread):
    """Posts without pause until its server has gone; keeps its connection as long as the server does."""

    def __init__(self, url: str, keep_alive: bool, stopped: threading.Event) -> None:
        super().__init__()
        self.client = Client(url, keep_alive=keep_alive)
        self.stopped = stopped
        self.answers: list[Answer] = []

    def run(self) -> None:
        while True:
            answer = self.client.post("/slow", {})
            if answer.status is None and "ConnectionRefused" in answer.attempt.error:
                # The port is closed, as for a proxy that would now take another server: nothing was sent.
                return
            self.answers.append(answer)
            if self.stopped.is_set() and answer.status != 200:
                return


def test_no_post_is_dropped_when_a_process_stops_under_load(
    start_service: Callable[..., ServiceProcess],
) -> None:
    service = start_service(PROBE)
    stopped = threading.Event()
    posters = [Poster(service.url, number % 2 == 0, stopped) for number in range(CLIENTS)]
    for poster in posters:
        poster.start()
    wait_for_answers(posters, 40)
    service.seconds_to_stop()
    stopped.set()
    for poster in posters:
        poster.join(20)
        poster.client.close()
    answers = [answer for poster in posters for answer in poster.answers]
    assert [str(answer) for answer in answers if answer.status != 200] == []
    assert len(answers) > 80


def wait_for_answers(posters: list[Poster], number: int) -> None:
    wait_until(lambda: sum(len(poster.answers) for poster in posters) > number, 20, "load has begun")
