"""A share of the users has its reads answered by the service, while the monolith owns: on a real nginx."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from proxy import nginx
from proxy.canary import Canary
from proxy.errors import ProxyRejected, RouteRefused
from proxy.routes import Domain, Route
from tests.integration.proxy.origin import Answer, fenced
from tests.integration.proxy.visitors import sides, visitor
from tests.support.waiting import wait_until

PATH = "/api/catalog/products"


def now_ms():
    return int(time.time() * 1000)


def begin(world, share, revision=None, domain="catalog"):
    """A canary of this share (in 1/100 %) over a fresh copy."""
    state = world.client.routes()[domain]
    world.client.applied({domain: {"service": now_ms()}})
    return world.client.canary(domain, state.epoch, revision or state.revision + 1, share)


def with_cookies(world, address="", **cookies):
    user = world.user(address)
    user.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return user


def flip(world, owner):
    world.client.set_route("catalog", world.client.routes()["catalog"].epoch + 1, owner)


def figure(world, name, labels=""):
    return world.figure(f'{name}{{domain="catalog"{labels}}}')


def settled(world, series):
    """The figure once the requests of earlier tests are in it: a worker keeps its lines for 0.1 s at most."""
    seen, since = world.figure(series), time.monotonic()

    def stands() -> bool:
        nonlocal seen, since
        if (now := world.figure(series)) != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > 0.3

    wait_until(stands, 5, "the figure stands still", every=0.05)
    return seen


def test_as_many_users_as_asked_for_are_in_and_a_larger_share_only_adds_some(world):
    visitors: list[str] = [visitor(n) for n in range(1000)]
    before: set[str] = set()
    for share in (0, 1, 500, 2500, 10_000):
        begin(world, share)
        inside = {one for one, side in zip(visitors, sides(world, visitors), strict=True) if side == "catalog"}
        expected = len(visitors) * share / 10_000
        assert abs(len(inside) - expected) <= 4 * (expected * (1 - share / 10_000)) ** 0.5 + 0.5
        assert before <= inside
        assert figure(world, "fig_proxy_canary_share") == share / 10_000
        before = inside


def test_a_user_stays_where_they_are_in_whichever_worker_and_after_reload_and_kill(own_world):
    world = own_world
    visitors = [visitor(n) for n in range(300)]
    begin(world, 3000, revision=7)
    first = sides(world, visitors)
    assert 0 < first.count("catalog") < 300
    with ThreadPoolExecutor(4) as pool:
        assert all(one == first for one in pool.map(lambda _: sides(world, visitors), range(4)))
    world.config = replace(world.config, worker_processes=3)
    assert nginx.reload(world.config)["catalog"].share == 3000
    assert sides(world, visitors) == first
    left = world.workers()
    world.stop(signal.SIGKILL)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    world.start()
    state = world.client.routes()["catalog"]
    assert (state.share, state.revision) == (3000, 7)
    world.client.applied({"catalog": {"service": now_ms()}})
    assert sides(world, visitors) == first


def test_the_users_of_two_domains_are_chosen_independently(own_world):
    world = own_world
    other = Domain("catalogue", (Route("/api/catalogue"),), "monolith", "catalog", canary=Canary(applied_age_ms=60_000))
    world.config = replace(world.config, domains=(*world.config.domains, other))
    nginx.reload(world.config)
    visitors = [visitor(n) for n in range(1000)]
    begin(world, 5000)
    begin(world, 5000, domain="catalogue")
    one, two = sides(world, visitors), sides(world, visitors, "/api/catalogue/x")
    both = sum(a == b == "catalog" for a, b in zip(one, two, strict=True))
    assert abs(both - 250) < 4 * (1000 * 0.25 * 0.75) ** 0.5


def test_the_first_visit_is_the_owners_and_brings_a_cookie_that_says_nothing(world):
    user = world.user()
    assert "Set-Cookie" not in user.get(PATH).headers, "nobody is asked to keep anything without a canary"
    begin(world, 10_000)
    answer = user.get(PATH)
    assert answer.text == "monolith"
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    value, *attributes = rest.split("; ")
    assert name == "fig_visitor"
    assert len(bytes.fromhex(value)) == 16
    assert attributes == ["Path=/", "Max-Age=15552000", "HttpOnly", "SameSite=Lax"]
    again = user.get(PATH)
    assert (again.text, "Set-Cookie" in again.headers) == ("catalog", False)
    assert "Set-Cookie" not in user.get("/api/users/me").headers
    assert value not in (world.config.folder / "access.json").read_text()
    assert world.user().get(PATH).headers["Set-Cookie"].partition("=")[2].partition(";")[0] != value


def test_whoever_keeps_no_cookies_is_never_in_as_nobody_could_know_their_writes(world):
    begin(world, 10_000)
    for cookies in ({}, {"fig_visitor": "x"}, {"fig_visitor": visitor(1).upper()}, {"other": "1"}):
        user = with_cookies(world, **cookies)
        assert [user.get(PATH).text for _ in range(3)] == ["monolith"] * 3


def test_writes_and_machines_and_endless_answers_stay_with_the_owner(world):
    begin(world, 10_000)
    user = with_cookies(world, fig_visitor=visitor(1))
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert user.request(method, PATH).text == "monolith"
    assert user.get(PATH, headers={"Accept": "text/event-stream"}).text == "monolith"
    assert user.get("/api/users/me").text == "monolith"
    assert with_cookies(world, world.config.internal, fig_visitor=visitor(1)).get(PATH).text == "monolith"
    assert user.get(PATH).text == user.options(PATH).text == "catalog"
    assert user.get(PATH + "/1?q=a%20b").text == "catalog"
    assert [a.path for a in world.catalog.arrivals + world.catalog_two.arrivals].count(PATH + "/1?q=a%20b") == 1


def test_cohorts_are_in_or_out_whatever_the_share_while_there_is_one(world):
    someone = visitor(5)
    user = with_cookies(world, fig_visitor=someone)
    tenant = "/api/catalog/tenants/one"
    assert user.get(PATH, headers={"X-Staff": "yes"}).text == "monolith", "no canary, no cohort"
    begin(world, 1)
    assert user.get(PATH).text == "monolith"
    assert user.get(PATH, headers={"X-Staff": "yes"}).text == "catalog"
    assert user.get(PATH, headers={"X-Staff": "no"}).text == "monolith"
    assert user.get(tenant).text == user.get(tenant + "/x").text == "catalog"
    assert user.get(tenant + "x").text == "monolith"
    assert world.user().get(tenant).text == "monolith", "no cookie of ours, no canary"
    begin(world, 10_000)
    assert user.get(PATH).text == "catalog"
    assert with_cookies(world, fig_visitor=someone, beta="off").get(PATH).text == "monolith"
    assert user.get(tenant, headers={"Host": "old.example.org:80"}).text == "monolith", "never is the stronger word"


def test_a_user_with_a_write_that_the_service_has_not_yet_is_served_by_the_owner_and_waits_for_nothing(world):
    begin(world, 10_000)
    user = world.user()
    user.get(PATH)
    assert user.get(PATH).text == "catalog"
    user.post(PATH)
    mark = int(user.cookies.get("fig_mark").split(".")[2])
    world.client.applied({"catalog": {"service": mark - 1}})
    waits = figure(world, "fig_proxy_stale_waits_total")
    kept = figure(world, "fig_proxy_canary_own_writes_total")
    assert user.get(PATH).text == "monolith"
    assert with_cookies(world, fig_visitor=visitor(2)).get(PATH).text == "catalog", "others are not concerned"
    assert figure(world, "fig_proxy_stale_waits_total") == waits
    assert figure(world, "fig_proxy_canary_own_writes_total") == kept + 1
    world.client.applied({"catalog": {"service": mark}})
    assert user.get(PATH).text == "catalog"


def test_a_copy_that_has_grown_old_gets_no_reads(world):
    begin(world, 10_000)
    user, before = with_cookies(world, fig_visitor=visitor(1)), figure(world, "fig_proxy_canary_stale_total")
    world.client.applied({"catalog": {"service": now_ms() - 61_000}})
    assert user.get(PATH).text == "monolith"
    assert figure(world, "fig_proxy_canary_stale_total") == before + 1
    world.client.applied({"catalog": {"service": now_ms()}})
    assert user.get(PATH).text == "catalog"


def test_an_error_of_the_service_becomes_the_owners_answer_and_is_counted_as_the_services(world):
    begin(world, 10_000)
    user = with_cookies(world, fig_visitor=visitor(1))
    series = 'fig_proxy_requests_total{domain="catalog",side="service",method="read",status="2xx"}'
    failed, asked = figure(world, "fig_proxy_canary_fallbacks_total", ',reason="failed"'), settled(world, series)
    for status in (500, 502, 503, 504):
        world.catalog.behaviour = world.catalog_two.behaviour = lambda _, status=status: Answer(status, b"oops")
        answer = user.get(PATH, headers={"X-Test-Key": str(status)})
        assert (answer.status_code, answer.text) == (200, "monolith")
        assert world.monolith.accepted()[str(status)] == 1
    world.catalog.behaviour = world.catalog_two.behaviour = fenced("catalog", 1)
    assert user.get(PATH).text == "read"
    world.catalog.behaviour = world.catalog_two.behaviour = lambda _: Answer(404, b"none")
    assert user.get(PATH).status_code == 404, "what the service says of the request is its answer"
    slow = figure(world, "fig_proxy_canary_fallbacks_total", ',reason="slow"')
    assert figure(world, "fig_proxy_canary_fallbacks_total", ',reason="failed"') + slow - failed >= 4
    wait_until(lambda: world.figure(series) == asked + 5, 5, "they count as reads of the service")


def test_a_read_that_writes_at_the_service_is_refused_by_its_fence_and_answered_by_the_owner(world):
    begin(world, 10_000)
    world.catalog.behaviour = world.catalog_two.behaviour = lambda _: Answer(421, b"", {"X-Fig-Fenced": "catalog 1"})
    answer = with_cookies(world, fig_visitor=visitor(1)).get(PATH)
    assert (answer.status_code, answer.text) == (200, "monolith")
    assert figure(world, "fig_proxy_unexpected_fences_total") == 0


def test_a_service_that_is_slow_or_gone_costs_the_bound_and_no_error(own_world):
    world = own_world
    begin(world, 10_000)
    user = with_cookies(world, fig_visitor=visitor(1))
    entered = []

    def slow(arrival):
        entered.append(arrival)
        wait_until(lambda: world.monolith.arrivals, 10, "the owner is asked")
        return Answer(body=b"late")

    world.catalog.behaviour = world.catalog_two.behaviour = slow
    assert user.get(PATH).text == "monolith"
    assert 1 <= len(entered) <= 2
    assert figure(world, "fig_proxy_canary_fallbacks_total", ',reason="slow"') == 1
    world.catalog.stop()
    world.catalog_two.stop()
    assert user.get(PATH).text == "monolith"
    assert figure(world, "fig_proxy_canary_fallbacks_total", ',reason="failed"') == 1


def test_the_owner_is_asked_once_and_its_own_error_is_the_users(world):
    begin(world, 10_000)
    for origin in (world.monolith, world.catalog, world.catalog_two):
        origin.behaviour = lambda _: Answer(500, b"down")
    answer = with_cookies(world, fig_visitor=visitor(1)).get(PATH, headers={"X-Test-Key": "k"})
    assert (answer.status_code, answer.text) == (500, "down")
    assert world.monolith.accepted()["k"] == 1


def test_a_canary_ends_with_the_epoch_of_its_owner_and_only_a_monolith_that_owns_has_one(world):
    begin(world, 5000)
    epoch = world.client.routes()["catalog"].epoch
    assert world.client.set_route("catalog", epoch, "monolith").share == 5000, "the same word again changes nothing"
    assert world.client.hold("catalog", epoch, 5).share == 5000
    assert world.client.release("catalog", epoch).share == 5000
    flip(world, "service")
    assert world.client.routes()["catalog"].share == 0
    with pytest.raises(RouteRefused):
        begin(world, 1)
    flip(world, "monolith")
    assert world.client.routes()["catalog"].share == 0


def test_an_older_decision_never_replaces_a_later_one(world):
    state = begin(world, 500)
    with pytest.raises(RouteRefused) as refused:
        world.client.canary("catalog", state.epoch, state.revision - 1, 2500)
    assert refused.value.current.share == 500
    with pytest.raises(RouteRefused):
        world.client.canary("catalog", state.epoch, state.revision, 2500)
    with pytest.raises(RouteRefused):
        world.client.canary("catalog", state.epoch - 1, state.revision + 1, 2500)
    assert world.client.canary("catalog", state.epoch, state.revision, 500).share == 500
    assert world.client.routes()["catalog"].share == 500


@pytest.mark.parametrize("change", [{"share": 10_001}, {"share": -1}, {"share": 0.5}, {"revision": None}, {"more": 1}])
def test_a_malformed_canary_is_refused(world, change):
    body = {"epoch": 1, "revision": 1, "share": 1, **change}
    with pytest.raises(ProxyRejected):
        world.client._call("POST", "/canary/catalog", body)
