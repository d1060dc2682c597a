"""A user is never shown a copy older than their own last write (I7)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from proxy import nginx
from proxy.routes import Domain, Route
from tests.integration.proxy.origin import Answer
from tests.support.waiting import wait_until

PATH = "/api/catalog/products"
ORDERS = "/api/payments/orders"


def flip(world, owner):
    epoch = world.client.routes()["catalog"].epoch + 1
    world.client.set_route("catalog", epoch, owner)
    return epoch


def now_ms():
    return int(time.time() * 1000)


def mark_of(user):
    return user.cookies.get("fig_mark")


def with_mark(world, mark):
    user = world.user()
    user.headers["Cookie"] = f"fig_mark={mark}"
    return user


def test_a_write_is_marked_with_its_domain_epoch_and_time_and_a_read_is_not(world):
    epoch, user, before = flip(world, "service"), world.user(), now_ms()
    assert "Set-Cookie" not in user.get(PATH).headers
    assert "Set-Cookie" not in user.post("/api/payments/cart").headers
    answer = user.post(PATH)
    domain, marked_epoch, ms = mark_of(user).split(".")
    assert (domain, int(marked_epoch)) == ("catalog", epoch)
    assert before <= int(ms) <= now_ms()
    attributes = answer.headers["Set-Cookie"].split("; ")[1:]
    assert attributes == ["Path=/", "Max-Age=60", "HttpOnly", "SameSite=Lax"]


def test_the_mark_is_later_than_the_commit_and_stands_beside_the_applications_own_cookies(world):
    committed = []

    def behave(arrival):
        committed.append(now_ms())
        return Answer(201, b"", {"Set-Cookie": "session=s; Path=/"})

    world.monolith.behaviour = behave
    user = world.user()
    user.post(PATH)
    assert int(mark_of(user).split(".")[2]) >= committed[0]
    assert user.cookies["session"] == "s"


def test_a_failed_write_is_marked_too_because_it_may_have_committed(world):
    world.monolith.behaviour = lambda _: Answer(500)
    user = world.user()
    user.post(PATH)
    assert mark_of(user)


def test_a_join_over_the_moved_domain_waits_until_the_copy_has_the_users_own_write(world):
    flip(world, "service")
    world.client.applied({"catalog": {"monolith": now_ms() - 1000}})
    user = world.user()
    user.post(PATH)
    mark = int(mark_of(user).split(".")[2])
    waits = world.figure('fig_proxy_stale_waits_total{domain="catalog"}')
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(user.get, ORDERS)
        wait_until(lambda: world.figure('fig_proxy_stale_waits_total{domain="catalog"}') == waits + 1, 5, "it waits")
        assert world.user().get(ORDERS).status_code == 200, "others do not wait"
        assert user.get(PATH).text == "catalog", "the owner has it"
        assert user.get("/api/users/me").status_code == 200, "no route that reads the domain"
        world.client.applied({"catalog": {"monolith": mark - 1}})
        assert not waiting.done()
        world.client.applied({"catalog": {"monolith": mark}})
        assert (waiting.result().status_code, waiting.result().text) == (200, "monolith")
    assert user.get(ORDERS).status_code == 200
    assert world.figure('fig_proxy_stale_waits_total{domain="catalog"}') == waits + 1


def test_a_write_on_such_a_route_waits_too_as_it_reads_the_copy_first(world):
    flip(world, "service")
    user = world.user()
    user.post(PATH)
    with ThreadPoolExecutor(1) as pool:
        waits = world.figure('fig_proxy_stale_waits_total{domain="catalog"}')
        waiting = pool.submit(user.put, "/api/payments/cart/items/1")
        wait_until(lambda: world.figure('fig_proxy_stale_waits_total{domain="catalog"}') == waits + 1, 5, "it waits")
        world.client.applied({"catalog": {"monolith": now_ms()}})
        assert waiting.result().status_code == 200


def test_a_copy_that_does_not_come_in_time_is_an_honest_503(world):
    flip(world, "service")
    user = world.user()
    user.post(PATH)
    before = len(world.monolith.arrivals)
    answer = user.get(ORDERS)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/not-caught-up")
    assert answer.headers["Retry-After"] == "1"
    assert len(world.monolith.arrivals) == before


def test_after_a_switch_back_the_owner_has_all_and_nobody_waits(world):
    flip(world, "service")
    user = world.user()
    user.post(PATH)
    flip(world, "monolith")
    assert user.get(ORDERS).text == user.get(PATH).text == "monolith"


def test_a_proxy_that_is_behind_the_mark_waits_for_news(world):
    epoch = world.client.routes()["catalog"].epoch
    user = with_mark(world, f"catalog.{epoch + 1}.{now_ms()}")
    with ThreadPoolExecutor(1) as pool:
        waits = world.figure('fig_proxy_stale_waits_total{domain="catalog"}')
        waiting = pool.submit(user.get, PATH)
        wait_until(lambda: world.figure('fig_proxy_stale_waits_total{domain="catalog"}') == waits + 1, 5, "it waits")
        flip(world, "service")
        assert waiting.result().text == "catalog"
    epoch = world.client.routes()["catalog"].epoch
    assert with_mark(world, f"catalog.{epoch + 1}.{now_ms()}").get(PATH).status_code == 503


def test_a_marked_write_to_a_held_domain_waits_for_both(world):
    epoch = flip(world, "monolith")
    user = with_mark(world, f"catalog.{epoch + 1}.{now_ms()}")
    world.client.hold("catalog", epoch, 10)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(user.post, PATH)
        world.client.set_route("catalog", epoch + 1, "service")
        assert waiting.result().text == "catalog"
    wait_until(lambda: world.client.inflight("catalog") == 0, 5, "it is counted once")


@pytest.mark.parametrize(
    "mark",
    [
        "", "x", "catalog", "catalog.1", "catalog.1.", "catalog.-1.{now}", "catalog.1.{now}.1", "catalog.01.{now}",
        "other.1.{now}", "catalog.1e9.{now}", "catalog.9999999999999999.{now}", "catalog.99999999.{future}",
        "catalog.99999999.{old}", "catalog.99999999.{now}~catalog.99999999.{now}", "__proto__.99999999.{now}",
        "catalog.99999999.{now}~x", '"catalog.99999999.{now}"', "catalog.99999999.{now}" + "~" * 3000,
        "Catalog.99999999.{now}", "catalog.99999999.{now}\x7f",
    ],
)  # fmt: skip
def test_a_mark_that_is_not_ours_is_ignored(world, mark):
    flip(world, "service")
    values = {"now": now_ms(), "future": now_ms() + 60_000, "old": now_ms() - 61_000}
    user = with_mark(world, mark.format(**values))
    assert user.get(PATH).status_code == 200
    assert user.get(ORDERS).status_code == 200
    # And a write starts a new one, into which nothing of it comes.
    user.headers["Cookie"] = ""
    assert user.post(PATH, headers={"Cookie": f"fig_mark={mark.format(**values)}"}).status_code == 200
    assert mark_of(user).count(".") == 2


def test_a_user_who_wrote_to_two_domains_waits_for_both_copies(own_world):
    """That one copy has caught up says nothing about the other one, whichever of them it is."""
    world = own_world
    users = Domain("users", (Route("/api/users"),), "monolith", "catalog", read_by=("/api/payments",))
    world.config = replace(world.config, domains=(*world.config.domains, users))
    nginx.reload(world.config)
    for domain in ("catalog", "users"):
        world.client.set_route(domain, world.client.routes()[domain].epoch + 1, "service")
    user = world.user()
    for early, late in (("catalog", "users"), ("users", "catalog")):
        for domain in ("catalog", "users"):
            user.post(f"/api/{domain}/x")
        marks = {domain: int(ms) for domain, _epoch, ms in (one.split(".") for one in mark_of(user).split("~"))}
        assert sorted(marks) == ["catalog", "users"]
        world.client.applied({early: {"monolith": marks[early]}})
        answer = user.get(ORDERS)
        assert answer.status_code == 503, "one of them is missing still"
        assert f'"{late}"' in answer.json()["detail"]
        world.client.applied({late: {"monolith": marks[late]}})
        assert (user.get(ORDERS).status_code, user.get(ORDERS).text) == (200, "monolith")


def test_marks_are_not_for_machines(world):
    flip(world, "service")
    assert "Set-Cookie" not in world.machine().post("/internal/catalog/x").headers
