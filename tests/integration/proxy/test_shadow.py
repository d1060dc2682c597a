"""The shadow comparer behind a real nginx: it finds what differs, learns what is noise, and nobody waits for it."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest

from proxy.routes import Side
from proxy.shadow_comparer import Comparer, Kind, Outcome, Target
from proxy.shadow_intake import Work
from proxy.shadow_sample import Sample
from tests.integration.proxy.origin import Answer
from tests.support.waiting import wait_until

PRODUCT = "/api/catalog/products/{id}"
LISTING = "/api/catalog/products"
MANY = 700  # More than a socket holds, on any Linux.
NOWHERE = "/api/catalog/undeclared"
SAMPLES = 'fig_proxy_shadow_samples_total{domain="catalog"}'


def fenced(answer):
    """An application that speaks the protocol; `answer(arrival)` gives the JSON value of a read."""

    def behave(arrival):
        asked = arrival.headers.get("x-fig-shadow")
        if asked == "probe":
            return Answer(204, b"", {"X-Fig-Shadow": "fenced"})
        headers = {"Content-Type": "application/json", **({"X-Fig-Shadow": "fenced"} if asked else {})}
        value = answer(arrival)
        return value if isinstance(value, Answer) else Answer(200, json.dumps(value).encode(), headers)

    return behave


def both(world, monolith, service):
    world.monolith.behaviour = fenced(monolith)
    world.catalog.behaviour = world.catalog_two.behaviour = fenced(service)


@contextmanager
def comparing(world, **changes):
    """A comparer at work on all reads of the catalog; yields what it records."""
    outcomes: list[Outcome] = []
    target = Target(
        "catalog",
        (PRODUCT, LISTING),
        {Side.MONOLITH: (world.monolith.address,), Side.SERVICE: (world.catalog.address, world.catalog_two.address)},
        **{"share": 1.0, "rate": 1000.0, "lag": 0.3, **changes},
    )
    comparer = Comparer(
        [target], [world.client], [world.config.folder / "shadow.sock"], outcomes.append, lambda: ("catalog",)
    )
    stopped = threading.Event()
    thread = threading.Thread(target=comparer.run, args=[stopped])
    thread.start()
    try:
        yield outcomes, comparer
    finally:
        stopped.set()
        thread.join(30)


def shown(world, comparer):
    """A user whose reads are shown. A worker that had a comparer before loses one datagram on finding the new one."""
    user = world.user()
    wait_until(lambda: comparer._open, 10, "both sides are fenced")
    wait_until(lambda: user.get(NOWHERE) and comparer.intake.counts()["catalog", "undeclared"], 10, "samples are shown")
    return user


def asked(origin):
    return [arrival for arrival in origin.arrivals if arrival.headers.get("x-fig-shadow") == "ask"]


def caught_up(world):
    world.client.applied({"catalog": {"service": int(time.time() * 1000) + 60_000}})


def test_a_planted_defect_is_named_by_its_field_path_and_a_field_that_changes_by_itself_is_not(world):
    ticks = itertools.count()

    def product(price):
        return lambda arrival: {"items": [{"title": "Bike", "price": price}], "at": next(ticks)}

    both(world, product("12.50"), product("12.5"))
    caught_up(world)
    with comparing(world) as (outcomes, comparer):
        shown(world, comparer).get("/api/catalog/products/7?x=%20%7e")
        wait_until(lambda: [one for one in outcomes if one.route == PRODUCT], 10, "it is compared")
    found = next(one for one in outcomes if one.route == PRODUCT)
    assert found.kind is Kind.COMPARED
    assert [one.path for one in found.comparison.differences] == ["items[].price"]
    assert found.comparison.noise == {"at"}
    assert {one.path for one in asked(world.monolith)} >= {"/api/catalog/products/7?x=%20%7e"}, (
        "asked as it was written"
    )


def test_the_sides_are_asked_as_the_user_who_asked_and_only_by_reading(world):
    both(world, lambda arrival: {}, lambda arrival: {})
    with comparing(world) as (outcomes, comparer):
        user = shown(world, comparer)
        user.get(LISTING)  # Whatever was shown before it has been counted when it is compared.
        wait_until(lambda: [one for one in outcomes if one.route == LISTING], 10, "what came before is counted")
        before = comparer.intake.counts()["catalog", "undeclared"]
        headers = {"Cookie": "session=s3cret; a=b", "Accept-Language": "de", "Authorization": "Bearer t",
                   "X-Forwarded-For": "9.9.9.9", "X-Fig-Shadow": "ask"}  # fmt: skip
        user.post("/api/catalog/products/8", headers=headers)
        user.request("GET", "/api/catalog/products/8", headers=headers, content=b"a body")
        user.get("/api/catalog/secret/8", headers=headers)
        user.get("/api/catalog/products/9", headers=headers)
        wait_until(lambda: [one for one in outcomes if one.route == PRODUCT], 10, "it is compared")
    for origin, times in ((world.monolith, 2), (world.catalog, 1)):
        arrivals = (
            asked(world.monolith) if origin is world.monolith else asked(world.catalog) + asked(world.catalog_two)
        )
        mine = [arrival for arrival in arrivals if arrival.path != LISTING]
        assert [(one.method, one.path) for one in mine] == [("GET", "/api/catalog/products/9")] * times
        for one in mine:
            assert one.headers["cookie"] == "session=s3cret; a=b"
            assert one.headers["authorization"] == "Bearer t"
            assert one.headers["accept-language"] == "de"
            assert one.headers["x-forwarded-for"] == "127.0.0.1"
    assert comparer.intake.counts()["catalog", "undeclared"] == before + 1
    direct = [
        one for one in world.monolith.arrivals if "x-fig-shadow" in one.headers and one.path == "/api/catalog/secret/8"
    ]
    assert direct == [], "the mark never comes in from outside"


def test_no_client_waits_for_a_comparer_that_is_frozen(world):
    path = world.config.folder / "shadow.sock"
    path.unlink(missing_ok=True)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as frozen:
        frozen.bind(str(path))
        path.chmod(0o666)
        before, log = world.figure(SAMPLES), world.error_log()
        world.client.sample("catalog", 1.0, 60)
        user = world.user()
        # On one connection: each request would wait for the one before it, if anything waited.
        assert {user.get(LISTING).status_code for _ in range(MANY)} == {200}
        wait_until(lambda: world.figure(SAMPLES) == before + MANY, 5, "each was to be shown; what has no room is lost")
        told = world.error_log().removeprefix(log).splitlines()
        assert len(told) <= len(world.workers()), "a worker tells at most once that the comparer before is gone"
        world.client.sample("catalog", 0.0, 1)


def test_a_comparer_that_died_is_shown_nothing_after_a_while_and_a_new_one_finds_its_way(world):
    both(world, lambda arrival: {}, lambda arrival: {})
    for _ in range(2):
        with comparing(world) as (outcomes, comparer):
            shown(world, comparer).get(LISTING)
            wait_until(outcomes.__len__, 10, "it compares")
    world.client.sample("catalog", 1.0, 0.05)
    user, before = world.user(), world.figure(SAMPLES)

    def silent():
        nonlocal before
        user.get(LISTING)
        now = world.figure(SAMPLES)
        same, before = now == before, now
        return same

    wait_until(silent, 5, "nothing is shown any more")


def test_a_side_that_does_not_fence_shadow_requests_is_asked_nothing(world):
    both(world, lambda arrival: {}, lambda arrival: {})
    world.catalog_two.behaviour = type(world.catalog_two)("catalog").behaviour
    with comparing(world) as (outcomes, comparer):
        wait_until(lambda: comparer.unfenced, 10, "it notices")
        assert comparer.unfenced == {"catalog": Side.SERVICE}
        world.user().get(LISTING)
    assert outcomes == []
    assert asked(world.monolith) == asked(world.catalog) == asked(world.catalog_two) == []


def test_a_route_that_wanted_to_write_is_told_and_asked_no_more(world):
    both(world, lambda arrival: Answer(403, b"", {"X-Fig-Shadow": "refused"}), lambda arrival: {})
    with comparing(world) as (outcomes, comparer):
        wait_until(lambda: comparer._open, 10, "both sides are fenced")
        user = world.user()
        wait_until(lambda: user.get(LISTING) and outcomes, 10, "it is compared")
        wait_until(lambda: user.get(LISTING) and comparer.intake.counts()["catalog", "impure"], 10, "no more")
    assert {one.kind for one in outcomes} == {Kind.IMPURE}
    assert asked(world.catalog) == asked(world.catalog_two) == [], "the service is asked second"


@pytest.mark.parametrize(("through", "kind"), [(60_000, Kind.HEALED), (-60_000, Kind.LAGGING)])
def test_a_service_that_is_only_behind_does_not_differ(world, through, kind):
    behind = {"stock": 3}
    both(world, lambda arrival: {"stock": 2}, lambda arrival: behind)
    world.client.applied({"catalog": {"service": int(time.time() * 1000) - 60_000}})
    with comparing(world, lag=1.0) as (outcomes, comparer):
        shown(world, comparer).get(LISTING)
        wait_until(lambda: len(asked(world.monolith)) >= 3, 10, "the monolith is asked once more")
        if kind is Kind.HEALED:
            behind["stock"] = 2
        world.client.applied({"catalog": {"service": int(time.time() * 1000) + through}})
        wait_until(lambda: outcomes, 10, "it is judged")
    assert outcomes[0].kind is kind


def test_a_write_between_the_reads_is_no_difference(world):
    """The row moves after the first answer: the service and the monolith's second answer agree."""
    values = itertools.chain(["old"], itertools.repeat("new"))
    lock = threading.Lock()

    def monolith(arrival):
        if arrival.headers.get("x-fig-shadow") != "ask":
            return {"title": "old"}
        with lock:
            return {"title": next(values)}

    both(world, monolith, lambda arrival: {"title": "new"})
    with comparing(world) as (outcomes, comparer):
        shown(world, comparer).get(LISTING)
        wait_until(lambda: outcomes, 10, "it is judged")
    assert outcomes[0].kind is Kind.COMPARED
    assert outcomes[0].comparison.matches
    assert outcomes[0].comparison.noise == {"title"}


def test_a_failing_service_differs_and_a_failing_monolith_says_nothing(world):
    both(world, lambda arrival: {"a": 1}, lambda arrival: Answer(500, b"", {"X-Fig-Shadow": "fenced"}))
    caught_up(world)
    with comparing(world) as (outcomes, comparer):
        shown(world, comparer).get(LISTING)
        wait_until(lambda: outcomes, 10, "it is judged")
        assert [one.path for one in outcomes[0].comparison.differences] == ["(status)"]
        both(world, lambda arrival: Answer(500, b"", {"X-Fig-Shadow": "fenced"}), lambda arrival: {"a": 1})
        user = world.user()
        wait_until(lambda: user.get(LISTING) and outcomes[-1].kind is Kind.VOID, 10, "the monolith fails")


def test_a_login_that_ended_since_is_no_difference_but_a_service_that_knows_nobody_is(world):
    """The monolith believes cookies, the service the statement that the proxy made of them a moment ago."""
    nobody = Answer(401, b"", {"X-Fig-Shadow": "fenced"})
    caught_up(world)
    with comparing(world) as (_, comparer):
        stated = Sample("1", "catalog", time.time(), LISTING, {"Host": "shop", "X-Identity": "a statement"})
        anonymous = Sample("2", "catalog", time.time(), LISTING, {"Host": "shop"})
        both(world, lambda arrival: nobody, lambda arrival: {"a": 1})
        assert comparer.judge(Work(stated, LISTING)).kind is Kind.VOID
        assert not comparer.judge(Work(anonymous, LISTING)).comparison.matches
        both(world, lambda arrival: {"a": 1}, lambda arrival: nobody)
        assert not comparer.judge(Work(stated, LISTING)).comparison.matches
