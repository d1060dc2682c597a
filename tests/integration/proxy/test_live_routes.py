"""Routes, holds, drain and what survives: on a real nginx, with clients that never retry."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from proxy import nginx
from proxy.client import ProxyClient
from proxy.errors import NginxRefused, ProxyRejected, ProxyUnreachable, RouteRefused
from proxy.routes import Domain, Route, Side
from tests.integration.proxy.origin import Answer, at_least
from tests.support.waiting import wait_until

PATH = "/api/catalog/products"


def epoch_of(world):
    return world.client.routes()["catalog"].epoch


def flip(world, owner):
    state = world.client.set_route("catalog", epoch_of(world) + 1, owner)
    assert state.owner is Side(owner)
    return state


def test_reads_and_writes_go_to_the_owner(world):
    for owner, name in (("service", "catalog"), ("monolith", "monolith"), ("service", "catalog")):
        flip(world, owner)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            assert world.user().request(method, PATH + "/1?q=x").text == name


def test_routes_are_prefixes_of_whole_segments(world):
    flip(world, "service")
    for path, name in {
        "/api/catalog": "catalog",
        "/api/catalog/": "catalog",
        "/api//catalog/1": "catalog",
        "/api/%63atalog/1": "catalog",
        "/api/x/../catalog/1": "catalog",
        "/api/catalogue": "monolith",
        "/api/catalog-x/1": "monolith",
        "/v2/api/catalog": "monolith",
        "/API/catalog": "monolith",
        "/": "monolith",
    }.items():
        assert world.user().get(f"http://{world.config.public}{path}").text == name, path


def test_the_path_and_the_query_arrive_as_they_were_sent(world):
    world.user().get("/api/catalog/a%20b//c?q=%2F&x=1")
    assert world.monolith.arrivals[0].path == "/api/catalog/a%20b//c?q=%2F&x=1"


def test_a_lower_epoch_or_another_owner_at_the_same_epoch_is_refused(world):
    state = flip(world, "service")
    for epoch, owner in ((state.epoch - 1, "service"), (state.epoch, "monolith"), (0, "monolith")):
        with pytest.raises(RouteRefused) as refused:
            world.client.set_route("catalog", epoch, owner)
        assert refused.value.current == world.client.routes()["catalog"] == state
    assert world.client.set_route("catalog", state.epoch, "service") == state


def test_of_controllers_that_race_for_an_epoch_one_wins_and_the_others_learn_its_route(world):
    for _ in range(30):
        goal = epoch_of(world) + 1
        start = threading.Barrier(6)

        def race(number, goal=goal, start=start):
            start.wait(10)
            try:
                return world.client.set_route("catalog", goal + number % 2, ("monolith", "service")[number // 3])
            except RouteRefused as refused:
                return refused.current

        with ThreadPoolExecutor(6) as pool:
            seen = list(pool.map(race, range(6)))
        final = world.client.routes()["catalog"]
        # At no epoch did two answers name two owners, and the highest epoch won.
        assert len({(state.epoch, state.owner) for state in seen}) == len({state.epoch for state in seen})
        assert final.epoch == goal + 1


def test_a_hold_makes_writes_wait_and_lets_reads_and_other_domains_through(world):
    world.client.hold("catalog", epoch_of(world), 10)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.user().post, PATH, content=b"x" * 100_000)
        assert world.user().get(PATH).status_code == 200
        assert world.user().post("/api/payments/cart").status_code == 200
        assert world.client.inflight("catalog") == 0
        assert not waiting.done()
        flip(world, "service")
        assert waiting.result().text == "catalog"
    assert world.client.routes()["catalog"].hold is None


def test_a_released_hold_sends_writes_to_the_old_owner(world):
    epoch = epoch_of(world)
    state = world.client.hold("catalog", epoch, 10)
    assert state.hold is not None
    assert (state.hold.epoch, 9 < state.hold.left <= 10) == (epoch + 1, True)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.user().post, PATH)
        for wrong in (epoch - 1, epoch + 1):
            with pytest.raises(RouteRefused):
                world.client.release("catalog", wrong)
        world.client.release("catalog", epoch)
        assert waiting.result().text == "monolith"


def test_a_hold_at_another_epoch_is_refused(world):
    for epoch in (epoch_of(world) - 1, epoch_of(world) + 1):
        with pytest.raises(RouteRefused):
            world.client.hold("catalog", epoch, 10)
    assert world.client.routes()["catalog"].hold is None


def test_a_controller_that_dies_during_a_hold_does_no_harm(world):
    world.client.hold("catalog", epoch_of(world), 0.3)
    start = time.monotonic()
    answer = world.user().post(PATH)
    assert (answer.status_code, answer.text) == (200, "monolith")
    assert time.monotonic() - start > 0.2


def test_a_hold_that_outlasts_its_bound_is_an_honest_503(world):
    world.client.hold("catalog", epoch_of(world), 30)
    answer = world.user().post(PATH, content=b"x" * 50_000)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/held")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"
    assert world.monolith.arrivals == []
    assert world.client.inflight("catalog") == 0


def test_the_drain_waits_for_writes_in_flight_also_when_their_client_has_gone(world):
    go = threading.Event()
    world.monolith.behaviour = lambda arrival: (go.wait(20), Answer(body=b"late"))[1]
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(world.user().post, PATH)
        with pytest.raises(httpx.ReadTimeout):
            world.user().put(PATH, timeout=0.2)
        wait_until(lambda: world.client.inflight("catalog") == 2, 5, "both are in flight")
        world.client.hold("catalog", epoch_of(world), 10)
        assert world.client.inflight("catalog") == 2
        go.set()
        wait_until(lambda: world.client.inflight("catalog") == 0, 5, "drained")
        assert waiting.result().text == "late"


def load(world, stop, number, answers):
    dice, user = random.Random(number), world.user()
    while not stop.is_set():
        if dice.random() < 0.1:
            user.close()
            user = world.user()
        method = dice.choice(("GET", "POST", "PATCH"))
        answer = user.request(method, PATH, content=b"" if method == "GET" else b"x" * 2000)
        answers.append((method, answer.status_code))


def test_switches_under_load_fail_no_request_and_none_reaches_the_old_side_after_the_drain(world):
    stop = threading.Event()
    answers: list[tuple[str, int]] = []
    late: list[tuple[str, float, float]] = []
    origins = {"monolith": [world.monolith], "service": [world.catalog, world.catalog_two]}
    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(load, world, stop, number, answers) for number in range(6)]
        try:
            for turn in range(40):
                old, new = ("monolith", "service") if turn % 2 == 0 else ("service", "monolith")
                goal = len(answers) + 10
                wait_until(at_least(answers, goal), 10, "requests go on", every=0.001)
                epoch = epoch_of(world)
                world.client.hold("catalog", epoch, 5)
                wait_until(lambda: world.client.inflight("catalog") == 0, 5, "drained", every=0.001)
                drained = time.monotonic()
                world.client.set_route("catalog", epoch + 1, new)
                acknowledged = time.monotonic()
                late.append((old, drained, acknowledged))
        finally:
            stop.set()
        for future in running:
            future.result()
    assert {status for _, status in answers} == {200}
    for turn, (old, drained, acknowledged) in enumerate(late[:-1]):
        until = late[turn + 1][2]
        arrived = [a for origin in origins[old] for a in origin.arrivals if drained < a.at < until - 0.0001]
        next_flip = late[turn + 1][1]
        assert [a for a in arrived if a.method != "GET" and a.at < next_flip] == []
        # A read may still have been on its way to the old side when the flip was acknowledged, none later than that.
        assert [a for a in arrived if a.at > acknowledged + 0.25 and a.at < next_flip] == []


def test_routes_survive_sigkill_right_after_the_acknowledgement_and_a_restart(own_world):
    world = own_world
    for turn in range(3):
        state = flip(world, ("service", "monolith")[turn % 2])
        for worker in world.workers():
            os.kill(worker, signal.SIGKILL)
        world.stop(signal.SIGKILL)
        with pytest.raises(ProxyUnreachable):
            world.client.routes()
        world.start()
        assert world.client.routes()["catalog"] == state
    for how in (signal.SIGTERM, signal.SIGQUIT):
        state = flip(world, "service")
        world.stop(how)
        world.start()
        assert world.client.routes()["catalog"] == state
    assert world.user().get(PATH).text == "catalog"


def test_a_killed_worker_counts_no_more_and_the_next_one_has_the_routes_and_the_hold(own_world):
    world = own_world
    state = flip(world, "service")
    go = threading.Event()
    world.catalog.behaviour = world.catalog_two.behaviour = lambda _: (go.wait(20), Answer())[1]
    with ThreadPoolExecutor(4) as pool:
        requests = [pool.submit(world.user().post, PATH) for _ in range(4)]
        wait_until(lambda: world.client.inflight("catalog") == 4, 5, "four writes are in flight")
        before = world.workers()
        world.client.hold("catalog", state.epoch, 20)
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: len(set(world.workers()) - set(before)) == 2, 5, "new workers")
        for request in requests:
            with pytest.raises(httpx.RemoteProtocolError):
                request.result()
        go.set()
    assert world.client.inflight("catalog") == 0
    found = world.client.routes()["catalog"]
    assert (found.epoch, found.owner) == (state.epoch, state.owner)
    assert found.hold is not None


def test_a_reload_in_the_middle_of_a_hold_fails_no_request_and_keeps_routes_and_holds(own_world):
    world = own_world
    state = flip(world, "service")
    stop = threading.Event()
    answers: list[tuple[str, int]] = []
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(load, world, stop, number, answers) for number in range(3)]
        try:
            wait_until(lambda: len(answers) > 20, 10, "requests go on")
            world.client.hold("catalog", state.epoch, 10)
            held = pool.submit(world.user().post, PATH)
            users = Domain("users", (Route("/api/users"),), "monolith", "catalog")
            world.config = replace(world.config, domains=(*world.config.domains, users))
            routes = nginx.reload(world.config)
            assert routes["catalog"].hold is not None
            assert routes["users"].epoch == 0
            world.client.set_route("catalog", state.epoch + 1, "monolith")
            assert held.result().text == "monolith"
            goal = len(answers) + 20
            wait_until(lambda: len(answers) >= goal, 10, "requests go on")
        finally:
            stop.set()
        for future in running:
            future.result()
    assert {status for _, status in answers} == {200}
    world.client.set_route("users", 1, "service")
    assert world.user().get("/api/users/me").text == "catalog"


def test_a_configuration_that_nginx_refuses_changes_nothing(own_world):
    world = own_world
    before = (world.config.folder / "conf" / "nginx.conf").read_text()
    wrong = replace(world.config.upstreams[0], servers=("no-such-host.invalid:1",))
    config = replace(world.config, upstreams=(wrong, *world.config.upstreams[1:]))
    with pytest.raises(NginxRefused, match="host not found"):
        nginx.reload(config)
    assert (world.config.folder / "conf" / "nginx.conf").read_text() == before
    assert world.user().get(PATH).text == "monolith"


def test_a_second_nginx_in_the_same_folder_is_refused_and_the_first_goes_on(own_world):
    with pytest.raises(NginxRefused, match="another one is running"):
        nginx.start(own_world.config)
    assert own_world.user().get(PATH).text == "monolith"


def test_an_unreadable_saved_route_is_named_at_the_start(own_world):
    own_world.stop()
    saved = own_world.config.folder / "routes" / "catalog.json"
    saved.write_text('{"epoch": 3')
    with pytest.raises(NginxRefused, match=r"catalog\.json"):
        own_world.start()


def test_a_dead_process_of_two_is_skipped_and_no_write_goes_to_the_other_side(own_world):
    world = own_world
    flip(world, "service")
    world.catalog.stop()
    for method in ("GET", "POST", "PUT", "DELETE") * 5:
        assert world.user().request(method, PATH).text == "catalog"
    world.catalog_two.stop()
    assert world.user().post(PATH).status_code == 502
    assert world.user().get(PATH).status_code == 502
    assert world.monolith.arrivals == []
    world.catalog_two.start()
    wait_until(lambda: world.user().get(PATH).status_code == 200, 10, "it is tried again")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("POST", "/routes/catalog", b"{", 400, "JSON"),
        ("POST", "/routes/catalog", b"[]", 400, "object"),
        ("POST", "/routes/catalog", b"null", 400, "object"),
        ("POST", "/routes/catalog", b"", 400, "JSON"),
        ("POST", "/routes/catalog", b'{"epoch":99}', 400, "exactly"),
        ("POST", "/routes/catalog", b'{"epoch":99,"owner":"service","x":1}', 400, "exactly"),
        ("POST", "/routes/catalog", b'{"epoch":"99","owner":"service"}', 400, "epoch"),
        ("POST", "/routes/catalog", b'{"epoch":9.5,"owner":"service"}', 400, "epoch"),
        ("POST", "/routes/catalog", b'{"epoch":-1,"owner":"service"}', 400, "epoch"),
        ("POST", "/routes/catalog", b'{"epoch":1e300,"owner":"service"}', 400, "epoch"),
        ("POST", "/routes/catalog", b'{"epoch":99,"owner":"catalog"}', 400, "owner"),
        ("POST", "/routes/catalog", b'{"epoch":99,"owner":["service"]}', 400, "owner"),
        ("POST", "/routes/other", b'{"epoch":99,"owner":"service"}', 404, "other"),
        ("POST", "/routes/__proto__", b'{"epoch":99,"owner":"service"}', 404, "__proto__"),
        ("POST", "/routes/", b'{"epoch":99,"owner":"service"}', 404, "admin API"),
        ("POST", "/routes/catalog/x", b"{}", 404, "admin API"),
        ("POST", "/hold/catalog", b'{"epoch":0,"ttl_ms":0}', 400, "ttl_ms"),
        ("POST", "/hold/catalog", b'{"epoch":0,"ttl_ms":9999999}', 400, "ttl_ms"),
        ("POST", "/applied", b'{"catalog":{"service":1,"both":1}}', 400, "side"),
        ("POST", "/applied", b'{"catalog":{"service":1,"monolith":0}}', 400, "monolith"),
        ("POST", "/applied", b'{"catalog":{"service":1},"other":{"service":1}}', 404, "other"),
        ("POST", "/applied", b'{"catalog":1}', 400, "object"),
        ("POST", "/applied/catalog", b"{}", 404, "admin API"),
        ("GET", "/hold/catalog", b"", 404, "admin API"),
        ("DELETE", "/routes/catalog", b"", 404, "admin API"),
        ("POST", "/routes", b"{}", 404, "admin API"),
        ("GET", "/nothing", b"", 404, "admin API"),
    ],
)
def test_a_malformed_admin_request_gets_one_clear_error_and_changes_nothing(world, method, path, body, status, word):
    before = world.client.routes()
    transport = httpx.HTTPTransport(uds=str(world.config.admin_socket))
    with httpx.Client(transport=transport, base_url="http://proxy") as client:
        answer = client.request(method, path, content=body)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert word in answer.json()["detail"]
        assert client.post("/routes/catalog", content=b" " * 10_000).status_code == 413
    after = world.client.routes()
    assert after["catalog"] == before["catalog"]


def test_the_client_tells_what_was_wrong_and_what_to_do(world):
    with pytest.raises(ProxyRejected, match='no domain "nothing"') as rejected:
        world.client.hold("nothing", 1, 1)
    assert rejected.value.next_step
    with pytest.raises(ProxyUnreachable, match="gone") as unreachable:
        ProxyClient("gone", world.config.folder / "gone.sock").routes()
    assert unreachable.value.next_step


def test_only_whoever_may_enter_the_folder_may_administrate(world):
    assert world.config.folder.stat().st_mode & 0o777 == 0o700
    for address in (world.config.public, world.config.internal, world.config.metrics):
        answer = world.user(address).post("/routes/catalog", json={"epoch": 99, "owner": "service"})
        assert answer.text in ("monolith", "catalog") or answer.status_code == 404
    assert epoch_of(world) < 99 or epoch_of(world) > 99


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lower its workers")
def test_workers_of_root_run_unprivileged(world):
    assert 0 not in {Path(f"/proc/{worker}").stat().st_uid for worker in world.workers()}
