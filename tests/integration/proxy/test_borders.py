"""What may pass between outside, the proxy and the applications: headers, listeners, figures, logs, identity."""

from __future__ import annotations

import json
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from proxy import nginx
from proxy.headers import DROPPED
from proxy.routes import Domain, Route
from tests.integration.proxy.origin import Answer
from tests.support.waiting import wait_until

PATH = "/api/catalog/products"


def flip(world, owner):
    epoch = world.client.routes()["catalog"].epoch + 1
    world.client.set_route("catalog", epoch, owner)
    return epoch


def test_headers_that_only_the_proxy_may_set_are_replaced_or_dropped(world):
    false = dict.fromkeys(DROPPED, "false")
    false |= {"X-Identity": "root", "X-Request-Id": "mine", "X-Fig-Admitted": "catalog", "X-Real-IP": "8.8.8.8"}
    false |= {"X-Forwarded-For": "8.8.8.8", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    false |= {"X_Identity": "root", "X_Fig_Admitted": "catalog"}
    for method in ("GET", "POST"):
        world.user().request(method, "/api/payments/x", headers={**false, "X-Other": "stays", "Host": "shop.example"})
        got = world.monolith.arrivals[-1].headers
        assert not {name.lower() for name in DROPPED} & set(got)
        assert not {"x-identity", "x-fig-admitted", "x_identity", "x_fig_admitted"} & set(got)
        assert re.fullmatch("[0-9a-f]{32}", got["x-request-id"])
        assert (got["x-forwarded-for"], got["x-forwarded-proto"]) == ("127.0.0.1", "http")
        assert got["x-forwarded-host"] == got["host"] == "shop.example"
        assert got["x-other"] == "stays"


def test_every_answer_carries_the_request_id_that_the_application_was_given(world):
    world.monolith.behaviour = lambda _: Answer(headers={"X-Request-Id": "the application's"})
    answer = world.user().get("/x")
    assert answer.headers.get_list("X-Request-Id") == [world.monolith.arrivals[0].headers["x-request-id"]]
    world.monolith.behaviour = lambda _: Answer(500)
    assert len(world.user().post("/x").headers["X-Request-Id"]) == 32


def test_a_write_that_was_let_in_says_so_and_a_read_does_not(world):
    world.user().post(PATH)
    world.user().get(PATH)
    world.user().post("/api/payments/cart")
    assert [a.headers.get("x-fig-admitted") for a in world.monolith.arrivals] == ["catalog", None, None]


@pytest.mark.parametrize(
    "path",
    [
        "/internal",
        "/internal/",
        "/internal/catalog/x",
        "//internal/x",
        "/%69nternal/x",
        "/internal%2Fx",
        "/a/../internal",
    ],
)
def test_internal_paths_do_not_exist_for_the_public(world, path):
    with socket.create_connection(world.config.public.split(":")) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert text.startswith("HTTP/1.1 404 ")
    assert "application/problem+json" in text
    assert json.loads(text.partition("\r\n\r\n")[2])["status"] == 404
    assert world.monolith.arrivals == []


def test_the_internal_listener_routes_like_the_public_one(world):
    assert world.machine().put("/internal/catalog/reservations/1").text == "monolith"
    flip(world, "service")
    assert world.machine().put("/internal/catalog/reservations/1").text == "catalog"
    assert world.machine().get("/internal/users/session").text == "monolith"


def test_on_the_internal_listener_a_valid_request_id_is_passed_on_and_an_identity_is_not(world):
    user = world.machine()
    user.get("/internal/x", headers={"X-Request-Id": "abc-123", "X-Identity": "root"})
    user.get("/internal/x", headers={"X-Request-Id": "not valid"})
    first, second = (arrival.headers for arrival in world.monolith.arrivals)
    assert first["x-request-id"] == "abc-123"
    assert "x-identity" not in first
    assert re.fullmatch("[0-9a-f]{32}", second["x-request-id"])


def test_a_call_of_a_write_that_was_let_in_passes_that_domains_hold_on_the_internal_listener_only(world):
    epoch = flip(world, "monolith")
    world.client.hold("catalog", epoch, 10)
    admitted = {"X-Fig-Admitted": "catalog"}
    assert world.machine().post("/internal/catalog/x", headers=admitted).text == "monolith"
    assert world.machine().post("/internal/catalog/x", headers={"X-Fig-Admitted": "users, catalog"}).text == "monolith"
    assert [a.headers["x-fig-admitted"] for a in world.monolith.arrivals] == ["catalog", "users, catalog"]
    with ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(world.machine().post, "/internal/catalog/x", headers={"X-Fig-Admitted": "users"}),
            pool.submit(world.user().post, PATH, headers=admitted),
        ]
        wait_until(lambda: len(world.monolith.arrivals) == 2, 1, "both wait")
        assert not any(future.done() for future in waiting)
        world.client.set_route("catalog", epoch + 1, "service")
        assert {future.result().text for future in waiting} == {"catalog"}


def test_an_admission_goes_on_through_reads_and_other_domains_calls(world):
    for path in ("/internal/catalog/x", "/internal/users/x"):
        world.machine().get(path, headers={"X-Fig-Admitted": "catalog"})
    world.machine().get("/internal/users/x", headers={"X-Fig-Admitted": "<wrong>"})
    assert [a.headers.get("x-fig-admitted") for a in world.monolith.arrivals] == ["catalog", "catalog", None]


def test_a_body_that_is_too_large_is_refused_at_once_also_during_a_hold(own_world):
    world = own_world
    world.config = replace(world.config, largest_body=1000)
    nginx.reload(world.config)
    world.client.hold("catalog", world.client.routes()["catalog"].epoch, 10)
    assert world.user().post(PATH, content=b"x" * 1001).status_code == 413


def test_figures_add_up_to_what_the_clients_saw(own_world):
    world = own_world
    statuses = [200, 201, 404, 409, 500, 503]
    world.monolith.behaviour = lambda a: Answer(statuses[int(a.headers["x-turn"]) % 6])
    seen: dict[tuple[str, str], int] = {}
    lock = threading.Lock()

    def send(number):
        user = world.user()
        for turn in range(30):
            method = ("GET", "POST", "HEAD", "DELETE")[(number + turn) % 4]
            answer = user.request(method, PATH, headers={"X-Turn": str(turn)})
            key = ("read" if method in ("GET", "HEAD") else "write", f"{answer.status_code // 100}xx")
            with lock:
                seen[key] = seen.get(key, 0) + 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))

    def totals():
        text = world.client.metrics()
        pattern = r'fig_proxy_requests_total\{domain="catalog",side="monolith",method="(\w+)",status="(\dxx)"\} (\d+)'
        return {(method, status): int(count) for method, status, count in re.findall(pattern, text)}

    wait_until(lambda: totals() == seen, 5, "all are counted")
    text = world.client.metrics()
    for method in ("read", "write"):
        labels = f'domain="catalog",side="monolith",method="{method}"'
        buckets = [int(n) for n in re.findall(f'fig_proxy_request_seconds_bucket{{{labels},le="[^"]*"}} (\\d+)', text)]
        total = sum(count for (m, _), count in seen.items() if m == method)
        assert len(buckets) == 14
        assert buckets == sorted(buckets)
        assert buckets[-1] == world.figure(f"fig_proxy_request_seconds_count{{{labels}}}") == total
        assert 0 < world.figure(f"fig_proxy_request_seconds_sum{{{labels}}}") < 60
    assert world.figure('fig_proxy_inflight_writes{domain="catalog"}') == 0
    assert world.figure('fig_proxy_route_owner{domain="catalog",side="monolith"}') == 1
    listed = httpx.get(f"http://{world.config.metrics}/metrics")
    assert listed.headers["Content-Type"].startswith("text/plain")
    assert 'fig_proxy_requests_total{domain="catalog"' in listed.text
    names = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert len(names) == len(set(names))
    well_formed = re.compile(r'#.*|\w+\{(\w+="[^"]*"(,\w+="[^"]*")*)?\} [0-9.e+-]+')
    assert [line for line in text.splitlines() if not well_formed.fullmatch(line)] == []


def test_the_access_log_is_json_without_queries_cookies_addresses_or_bodies(world):
    user = world.user()
    secret = "s3cret"
    user.post(PATH + "?token=" + secret, content=secret, headers={"Cookie": "session=" + secret, "Referer": secret})
    log = world.config.folder / "access.json"
    mark = world.monolith.arrivals[0].headers["x-request-id"]
    wait_until(lambda: mark in log.read_text(), 5, "it is written")
    text = log.read_text()
    line = next(entry for entry in map(json.loads, text.splitlines()) if entry["request_id"] == mark)
    assert (line["method"], line["path"], line["status"], line["domain"]) == ("POST", PATH, 200, "catalog")
    assert secret not in text


# Who the user is.


def whoami(world, behave=None):
    """The monolith answers session checks; the identity that its other requests carry is in its arrivals."""
    calls = []

    def behaviour(arrival):
        if arrival.path != "/internal/users/session":
            return Answer(body=arrival.headers.get("x-identity", "nobody").encode())
        calls.append(arrival)
        if behave:
            return behave(arrival)
        cookie = arrival.headers.get("cookie", "")
        return Answer(204, headers={"X-Identity": f"jwt-{len(calls)}-of-{cookie}", "Vary": "Cookie"})

    world.monolith.behaviour = behaviour
    return calls


def test_the_session_check_gets_what_it_needs_and_its_identity_is_passed_on(identity_world):
    calls = whoami(identity_world)
    headers = {"Cookie": "session=a; theme=dark", "X-CSRF-Token": "token", "X-Identity": "root"}
    answer = identity_world.user().post("/api/payments/x", content=b"body", headers=headers)
    assert answer.text == "jwt-1-of-session=a; theme=dark"
    (call,) = calls
    assert (call.method, call.size) == ("GET", 0)
    assert "content-length" not in call.headers
    expected = {"cookie": "session=a; theme=dark", "x-csrf-token": "token", "x-original-method": "POST"}
    assert {name: call.headers.get(name) for name in expected} == expected
    assert call.headers["x-request-id"] == identity_world.monolith.arrivals[-1].headers["x-request-id"]
    assert "x-identity" not in call.headers


def test_requests_without_a_session_cookie_are_not_checked(identity_world):
    calls = whoami(identity_world)
    assert identity_world.user().get("/x", headers={"Cookie": "theme=dark"}).text == "nobody"
    assert identity_world.user().post("/x").text == "nobody"
    assert identity_world.user().get("/x", headers={"Cookie": "remember_token=r"}).text.startswith("jwt")
    assert len(calls) == 1


def test_an_answer_is_kept_per_session_csrf_token_and_safety_and_for_a_short_time(identity_world):
    calls = whoami(identity_world)
    user = identity_world.user()

    def ask(method="GET", session="kept", token="t"):
        return user.request(method, "/x", headers={"Cookie": f"session={session}", "X-CSRF-Token": token}).text

    first = ask()
    assert ask() == ask("HEAD") or len(calls) == 1
    assert len(calls) == 1
    ask("POST")
    ask("PUT")
    assert len(calls) == 2
    ask(session="other")
    ask(token="u")
    assert len(calls) == 4
    wait_until(lambda: ask() != first, 5, "it is asked again after its time")


def test_anonymous_answers_are_kept_too(identity_world):
    calls = whoami(identity_world, lambda _: Answer(204))
    user = identity_world.user()
    for _ in range(3):
        assert user.get("/x", headers={"Cookie": "session=expired"}).text == "nobody"
    assert len(calls) == 1


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 421, 500, 502, 503])
def test_when_nobody_can_tell_who_the_user_is_the_answer_is_an_honest_503(identity_world, status):
    whoami(identity_world, lambda _: Answer(status, b"no"))
    before = len(identity_world.monolith.arrivals)
    answer = identity_world.user().post("/x", content=b"x" * 30_000, headers={"Cookie": f"session=broken{status}"})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/identity-unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert len(identity_world.monolith.arrivals) == before + 1


def test_a_known_session_outlives_a_short_absence_of_whoever_checks_it(identity_world):
    world = identity_world
    calls = whoami(world)
    flip(world, "service")
    world.catalog.behaviour = world.catalog_two.behaviour = lambda a: Answer(body=a.headers["x-identity"].encode())
    user = world.user()
    cookie = {"Cookie": "session=loyal"}
    first = user.get(PATH, headers=cookie).text
    wait_until(lambda: user.get(PATH, headers=cookie).text != first, 5, "the kept answer is too old")
    world.monolith.stop()
    try:
        known = f"jwt-{len(calls)}-of-session=loyal"
        for _ in range(3):
            assert user.get(PATH, headers=cookie).text == known
        assert user.get(PATH, headers={"Cookie": "session=new"}).status_code == 503
    finally:
        world.monolith.start()


def test_an_identity_survives_a_hold_and_a_bounce(identity_world):
    world = identity_world
    whoami(world)
    usual = world.monolith.behaviour
    epoch = flip(world, "monolith")

    def behave(arrival):
        if arrival.method == "POST":
            return Answer(421, b"", {"X-Fig-Fenced": f"catalog {epoch + 1}"})
        return usual(arrival)

    world.monolith.behaviour = behave
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.user().post, PATH, headers={"Cookie": "session=b"})
        wait_until(lambda: any(a.method == "POST" for a in world.monolith.arrivals), 5, "it was refused")
        world.client.set_route("catalog", epoch + 1, "service")
        assert waiting.result().status_code == 200
    refused = next(a for a in world.monolith.arrivals if a.method == "POST")
    (arrived,) = world.catalog.arrivals + world.catalog_two.arrivals
    for name in ("x-identity", "x-request-id", "x-fig-admitted"):
        assert arrived.headers[name] == refused.headers[name]


def test_the_session_check_goes_to_the_owner_of_its_path(identity_world):
    world = identity_world
    users = Domain("users", (Route("/api/users"), Route("/internal/users")), "monolith", "catalog")
    world.config = replace(world.config, domains=(*world.config.domains, users))
    nginx.reload(world.config)
    calls = whoami(world)
    user = world.user()
    user.get("/x", headers={"Cookie": "session=one"})
    assert len(calls) == 1
    world.client.set_route("users", 1, "service")
    user.get("/x", headers={"Cookie": "session=two"})
    assert len(calls) == 1
    assert world.catalog.arrivals + world.catalog_two.arrivals
    # A switch of the users themselves holds their writes; who asks for something else is still looked up.
    world.client.hold("users", 1, 10)
    assert user.post("/x", headers={"Cookie": "session=three"}).status_code == 200
    assert world.client.routes()["users"].hold is not None


def traces(world):
    """By path, what the proxy has written of each request's trace."""
    lines = (world.config.folder / "access.json").read_text().splitlines()
    return {line["path"]: line["trace_id"] for line in map(json.loads, lines)}


@pytest.mark.parametrize("listener", ["public", "internal"])
def test_a_trace_from_outside_goes_on_and_any_other_request_begins_one(world, listener):
    given, user = "4bf92f3577b34da6a3ce929d0e0e4736", getattr(world.config, listener)
    headers = {"traceparent": f"00-{given}-00f067aa0ba902b7-00", "tracestate": "theirs=1"}
    world.user(user).get("/on", headers=headers)
    passed = world.monolith.arrivals[-1].headers
    assert passed["traceparent"] == headers["traceparent"]
    assert passed["tracestate"] == "theirs=1"
    wrong = [
        "", "x", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{given}-{'0' * 16}-01", f"ff-{given}-00f067aa0ba902b7-01",
        f"00-{given.upper()}-00f067aa0ba902b7-01", f"00-{given}-00f067aa0ba902b7-01\"}}",
    ]  # fmt: skip
    for traceparent in wrong:
        world.user(user).get("/anew", headers={**headers, "traceparent": traceparent})
        begun = world.monolith.arrivals[-1].headers
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", begun["traceparent"]), traceparent
        assert given not in begun["traceparent"]
        assert "tracestate" not in begun
    last = world.monolith.arrivals[-1].headers["traceparent"].split("-")[1]
    wanted = {"/on": given, "/anew": last}.items()
    wait_until(lambda: wanted <= traces(world).items(), 10, "both are in the proxy's log", every=0.1)
