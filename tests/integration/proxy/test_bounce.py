"""The bounce: what a fence refused goes once, whole, to the new owner; everything else is untouched."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.proxy.origin import Answer, at_least, fenced
from tests.support.waiting import wait_until

PATH = "/api/catalog/products"
SIZES = (0, 1, 1_000, 16_000, 17_000, 100_000, 1_000_000, 20_000_000)


def epoch_of(world):
    return world.client.routes()["catalog"].epoch


@pytest.mark.parametrize("size", SIZES)
def test_every_method_arrives_whole_and_once_at_the_new_owner(world, size):
    epoch = epoch_of(world)
    world.monolith.behaviour = fenced(epoch=epoch + 1)
    body = random.Random(size).randbytes(size)
    methods = ("POST", "PUT", "PATCH", "DELETE")
    with ThreadPoolExecutor(4) as pool:
        waiting = [
            pool.submit(world.user().request, method, PATH, content=body, headers={"X-Test-Key": method})
            for method in methods
        ]
        wait_until(lambda: len(world.monolith.arrivals) == 4, 20, "all four were refused by the old owner")
        world.client.set_route("catalog", epoch + 1, "service")
        answers = [future.result() for future in waiting]
    assert [answer.status_code for answer in answers] == [200] * 4
    arrived = world.catalog.arrivals + world.catalog_two.arrivals
    assert sorted(arrival.method for arrival in arrived) == sorted(methods)
    assert {(a.size, a.digest) for a in arrived} == {(size, hashlib.sha256(body).hexdigest())}


def test_a_bounce_waits_for_the_end_of_the_hold_and_is_not_in_flight_meanwhile(world):
    epoch = epoch_of(world)
    world.monolith.behaviour = fenced(epoch=epoch + 1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.user().post, PATH, content=b"x")
        wait_until(lambda: world.monolith.arrivals, 5, "the old owner refused")
        world.client.hold("catalog", epoch, 10)
        wait_until(lambda: world.client.inflight("catalog") == 0, 5, "a refused write is not in flight")
        assert not waiting.done()
        world.client.set_route("catalog", epoch + 1, "service")
        assert waiting.result().text == "catalog"
    assert world.served() == 1


def test_an_aborted_switch_sends_the_request_back_to_the_old_owner(world):
    epoch = epoch_of(world)
    world.monolith.behaviour = fenced(epoch=epoch + 1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.user().post, PATH, content=b"x")
        wait_until(lambda: world.monolith.arrivals, 5, "the old owner refused")
        world.monolith.behaviour = lambda _: Answer(201, b"done")
        world.client.set_route("catalog", epoch + 2, "monolith")
        assert (waiting.result().status_code, waiting.result().text) == (201, "done")
    assert world.served() == 0


def test_a_read_that_writes_bounces_too(world):
    epoch = epoch_of(world)
    world.monolith.behaviour = lambda _: Answer(421, b"", {"X-Fig-Fenced": f"catalog {epoch + 1}"})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.user().get, PATH)
        wait_until(lambda: world.monolith.arrivals, 5, "the old owner refused")
        world.client.set_route("catalog", epoch + 1, "service")
        assert waiting.result().text == "catalog"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 412, 422, 429, 500, 502, 503, 504])
def test_an_honest_error_passes_untouched(world, status):
    problem = b'{"type":"/problems/honest","status":%d}' % status
    headers = {"Content-Type": "application/problem+json", "Retry-After": "7", "X-Own": "yes"}
    world.monolith.behaviour = lambda _: Answer(status, problem, headers)
    for method in ("GET", "POST", "PUT"):
        answer = world.user().request(method, PATH)
        assert (answer.status_code, answer.content) == (status, problem)
        assert {name: answer.headers[name] for name in headers} == headers
    assert len(world.monolith.arrivals) == 3


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_honest_errors_of_a_service_with_two_processes_pass_untouched(world, status):
    world.client.set_route("catalog", epoch_of(world) + 1, "service")
    world.catalog.behaviour = world.catalog_two.behaviour = lambda _: Answer(status, b"honest")
    for method in ("GET", "POST", "PUT", "DELETE") * 4:
        answer = world.user().request(method, PATH)
        assert (answer.status_code, answer.content) == (status, b"honest")
    assert world.served() == 16


def test_a_421_of_the_applications_own_passes(world):
    world.monolith.behaviour = lambda _: Answer(421, b"own words", {"Content-Type": "text/plain"})
    answer = world.user().get(PATH)
    assert (answer.status_code, answer.text) == (421, "own words")
    world.monolith.arrivals.clear()
    answer = world.user().post(PATH)
    # The body is lost there: getting it would mean sending a write twice.
    assert (answer.status_code, answer.json()["type"]) == (421, "/problems/misdirected")
    assert len(world.monolith.arrivals) == 1


@pytest.mark.parametrize(
    ("fence", "why"),
    [
        ("users 7", "another domain"),
        ("catalog", "no epoch"),
        ("catalog -1", "malformed"),
        ("catalog 07", "malformed"),
        ("catalog 1 ", "no switch is running, and the proxy is not behind"),
    ],
)
def test_a_fence_that_no_switch_explains_is_loud(world, fence, why):
    before = world.figure('fig_proxy_unexpected_fences_total{domain="catalog"}')
    world.monolith.behaviour = lambda _: Answer(421, b"", {"X-Fig-Fenced": fence})
    answer = world.user().post(PATH, content=b"x")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unexpected-fence"), why
    assert answer.headers["Retry-After"] == "1"
    assert "X-Fig-Fenced" not in answer.headers
    assert world.figure('fig_proxy_unexpected_fences_total{domain="catalog"}') == before + 1
    assert len(world.monolith.arrivals) == 1
    assert "unexpected fence" in world.error_log()


def test_a_fence_met_outside_of_any_domain_is_loud(world):
    world.monolith.behaviour = lambda _: Answer(421, b"", {"X-Fig-Fenced": "catalog 9"})
    answer = world.user().post("/api/payments/checkout")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unexpected-fence")
    assert world.figure('fig_proxy_unexpected_fences_total{domain="-"}') >= 1


def test_a_second_refusal_is_loud_and_no_loop(world):
    epoch = epoch_of(world)
    world.monolith.behaviour = fenced(epoch=epoch + 1)
    world.catalog.behaviour = world.catalog_two.behaviour = fenced(epoch=epoch + 1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.user().post, PATH, content=b"x")
        wait_until(lambda: world.monolith.arrivals, 5, "the old owner refused")
        world.client.set_route("catalog", epoch + 1, "service")
        answer = waiting.result()
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unexpected-fence")
    assert len(world.monolith.arrivals) == 1
    assert world.served() == 1
    wait_until(lambda: world.client.inflight("catalog") == 0, 5, "nothing is in flight")


def test_a_bounce_that_never_ends_is_answered_503_within_its_bound(world):
    epoch = epoch_of(world)
    world.monolith.behaviour = fenced(epoch=epoch + 1)
    start = time.monotonic()
    answer = world.user().post(PATH, content=b"x")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/held")
    assert answer.headers["Retry-After"] == "1"
    bound = world.config.limits.longest_hold_ms / 1000
    assert bound * 0.9 <= time.monotonic() - start
    assert len(world.monolith.arrivals) == 1
    wait_until(
        lambda: world.client.inflight("catalog") == 0, 5, "it counts as in flight no more, and is not taken off twice"
    )


def abort_after_sending(address: str, key: str, body: bytes) -> None:
    """A client that sends a whole request and goes away without reading."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Test-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)


class Ownership:
    """Two sides of which one accepts: what fences in two databases make of the writes that arrive."""

    def __init__(self, epoch: int) -> None:
        self.side, self.epoch = "monolith", epoch
        self.done: list[tuple[str, str]] = []
        self.refused: set[str] = set()
        self.lock = threading.Lock()

    def behaviour(self, side: str):
        def behave(arrival):
            with self.lock:
                if self.side == side:
                    self.done.append((arrival.key, arrival.digest))
                    return Answer(201, side.encode())
                self.refused.add(arrival.key)
                return Answer(421, b"", {"X-Fig-Fenced": f"catalog {self.epoch}"})

        return behave

    def move(self) -> bool:
        """Unless a refused request is still on its way: a second refusal would rightly be loud."""
        with self.lock:
            done = {key for key, _ in self.done}
            if any(key not in done and not key.startswith("aborted") for key in self.refused):
                return False
            self.side = "service" if self.side == "monolith" else "monolith"
            self.epoch += 1
            return True


def send_until(stop: threading.Event, world, number: int, sent: dict[str, str], answered: dict[str, int]) -> None:
    dice, user = random.Random(number), world.user()
    for step in range(10_000):
        if stop.is_set():
            return
        aborts = dice.random() < 0.3
        key = f"{'aborted' if aborts else 'read'}-{number}-{step}"
        body = dice.randbytes(dice.choice((0, 10, 5_000, 60_000, 300_000)))
        sent[key] = hashlib.sha256(body).hexdigest()
        if aborts:
            abort_after_sending(world.config.public, key, body)
        else:
            method = dice.choice(("POST", "PUT", "PATCH", "DELETE"))
            answer = user.request(method, PATH, content=body, headers={"X-Test-Key": key})
            answered[key] = answer.status_code


def test_under_load_with_client_aborts_each_write_is_done_once_at_the_owner_of_its_time(world):
    """20 moves, the old side refuses before the proxy knows, a third of the clients give up."""
    owner = Ownership(epoch_of(world))
    world.monolith.behaviour = owner.behaviour("monolith")
    world.catalog.behaviour = world.catalog_two.behaviour = owner.behaviour("service")
    bounces = world.figure('fig_proxy_bounces_total{domain="catalog"}')
    stop = threading.Event()
    sent: dict[str, str] = {}
    answered: dict[str, int] = {}
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(send_until, stop, world, number, sent, answered) for number in range(8)]
        try:
            for _ in range(20):
                goal = len(owner.done) + 15
                wait_until(at_least(owner.done, goal), 20, "writes go on", every=0.002)
                wait_until(owner.move, 20, "the last move is over", every=0.002)
                goal = len(owner.refused) + 3
                wait_until(at_least(owner.refused, goal), 20, "some meet the fence")
                world.client.set_route("catalog", owner.epoch, owner.side)
        finally:
            stop.set()
        for future in running:
            future.result()
    wait_until(lambda: world.client.inflight("catalog") == 0, 10, "nothing is in flight")
    assert set(answered.values()) == {201}, "no write failed"
    keys = [key for key, _ in owner.done]
    assert len(keys) == len(set(keys)), "no write was done twice"
    assert set(answered) <= set(keys), "every answered write was done"
    assert all(sent[key] == digest for key, digest in owner.done), "every body arrived whole"
    assert world.figure('fig_proxy_bounces_total{domain="catalog"}') >= bounces + 20
