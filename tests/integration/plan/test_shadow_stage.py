"""Stage shadow from `fig advance` to its gate: real applications, streams, nginx, and `fig shadow run`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import werkzeug.serving
import yaml
from werkzeug.wrappers import Request, Response

from migration_plan import bootstrap
from migration_plan.configuration import settings as settings_file
from migration_plan.lifecycle import Stage
from migration_plan.shadow import daemon
from migration_plan.shadow.report import report
from migration_plan.shadow.store import ShadowStore
from migration_plan.shadow.work import WORK
from proxy.middleware import guard
from tests.integration.plan.conftest import World
from tests.support.waiting import wait_until

PROJECT = Path(__file__).parents[3]
PARCEL = "/api/parcels/{id}"
ALICE = "Alice Liddell, 221b Baker Street"


@dataclass
class Shop:
    """Both programs, alike but for what is planted in the service; each reads its own side's rows."""

    dsns: dict[str, str]
    planted: bool = False
    writes: bool = False

    def serve(self, side: str):
        def application(environ, start_response):
            request = Request(environ)
            with psycopg.connect(self.dsns[side], autocommit=True) as connection:
                if request.method == "POST":
                    connection.execute(
                        "insert into parcel values (%s, %s)", [request.json["id"], request.json["place"]]
                    )
                    return Response(status=201)(environ, start_response)
                if self.writes and side == "service":
                    connection.execute("insert into parcel values (-1, 'nowhere')")
                number = int(request.path.rpartition("/")[2])
                found = connection.execute("select id, place from parcel where id = %s", [number]).fetchone()
                now = connection.execute("select clock_timestamp()::text").fetchone()
            body: dict[str, Any] = {"at": now and now[0], "parcel": None}
            if found:
                place = found[1].upper() if self.planted and side == "service" else found[1]
                body["parcel"] = {"id": found[0], "place": place, "by": {"alice@example.org": len(place)}}
            return Response(json.dumps(body), content_type="application/json")(environ, start_response)

        return guard(application)


@pytest.fixture
def shop(world: World) -> Iterator[Shop]:
    """The programs behind the world's upstreams, and the domain in stage shadow by the real work of that stage."""
    shop, servers = Shop({side: world.dsns[side] for side in ("monolith", "service")}), []
    for side, addresses in yaml.safe_load(world.settings.read_text())["upstreams"].items():
        host, _, port = addresses[0].rpartition(":")
        servers.append(werkzeug.serving.make_server(host, int(port), shop.serve(side), threaded=True))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
    world.bring_to(Stage.SYNC)
    world.verify()
    with bootstrap.opened("parcels") as mover:
        mover.move(True, Stage.SHADOW)
    with working(world):
        yield shop
    world.bring_to(Stage.SYNC)
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)


@contextmanager
def working(world: World) -> Iterator[None]:
    """`fig shadow run`, in this process."""
    stop, settings = threading.Event(), settings_file.load(world.environment)
    plans = list(bootstrap.load_plans(settings, world.environment).values())
    thread = threading.Thread(target=daemon.run, args=(settings, plans, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


@contextmanager
def comparer(world: World) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [Path(sys.executable).with_name("fig"), "shadow", "run"], cwd=PROJECT,
        env={**os.environ, **world.environment, "FIG_STATE": str(world.settings.parent / "none")},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


def people(world: World) -> httpx.Client:
    address = yaml.safe_load(world.settings.read_text())["proxies"][0]["listeners"]["public"]
    return httpx.Client(base_url=f"http://{address}", timeout=20, trust_env=False)


def found(world: World) -> Any:
    """What `fig shadow report --json` prints."""
    with bootstrap.opened("parcels") as mover:
        return report(mover.parts).as_json()


def route(world: World) -> Any:
    return next(one for one in found(world)["routes"] if one["route"] == PARCEL)


def read(world: World, user: httpx.Client, until) -> None:
    """People read until the comparer has seen enough of it."""

    def enough():
        for number in (1, 2, 3):
            assert user.get(f"/api/parcels/{number}", headers={"Cookie": "session=s3cretcookie"}).status_code == 200
        return until(route(world))

    wait_until(enough, 30, "enough is compared", every=0.05)


def kept(world: World) -> str:
    """All that the comparer has ever written down."""
    tables = ("shadow", "shadow_route", "shadow_field", "shadow_group", "shadow_example", "shadow_dropped")
    with world.journal() as connection:
        return "\n".join(str(row) for t in tables for row in connection.execute(f"select * from fig.{t}"))


def test_a_planted_defect_is_found_named_and_keeps_the_gate_shut_until_it_is_corrected(world, shop):
    with people(world) as user:
        for number in (1, 2):
            assert user.post("/api/parcels", json={"id": number, "place": ALICE}).status_code == 201
        shop.planted = True
        read(world, user, lambda seen: seen["mismatches"] >= 6)
        told = found(world)
        assert [one["path"] for one in told["differences"]] == ["parcel.place"]
        line = told["differences"][0]
        assert line["monolith"] == '"Aaaaa Aaaaaaa, 999a Aaaaa Aaaaaa"'
        assert line["service"] == '"AAAAA AAAAAAA, 999A AAAAA AAAAAA"'
        assert (PARCEL, "at") in [(one["route"], one["path"]) for one in told["noise"]]
        with bootstrap.opened("parcels") as mover:
            gate = WORK.gates(mover.parts)[0]
        assert not gate.is_met
        assert [reason.code for reason in gate.refusals] == ["shadow", "shadow"]
        assert "nobody has asked for it yet" in gate.refusals[0].message, "a declared route that nobody has seen"
        everything = kept(world) + json.dumps(told)
        for secret in ("Alice", "Liddell", "Baker", "221b", "alice@", "s3cret", "ALICE"):
            assert secret not in everything

        shop.planted = False
        assert world.json("shadow", "reset", "parcels", "--reason", "corrected")["done"] == "reset"
        read(world, user, lambda seen: seen["is_good"])
    assert world.json("shadow", "report", "parcels")["differences"] == []
    assert route(world)["compared"] >= 30
    assert 0 < route(world)["upper"] < 0.1


def test_users_who_write_all_the_time_are_no_difference(world, shop):
    """Rows come to the monolith while it is compared; the service has each of them a little later."""
    stop, made = threading.Event(), []

    def write():
        with people(world) as user:
            number = 1000
            while not stop.is_set():
                number += 1
                made.append(user.post("/api/parcels", json={"id": number, "place": str(number)}).status_code)
                user.get(f"/api/parcels/{number}")

    writers = threading.Thread(target=write)
    writers.start()
    try:
        with people(world) as user:
            read(world, user, lambda seen: seen["compared"] >= 60)
    finally:
        stop.set()
        writers.join()
    assert set(made) == {201}
    assert route(world)["mismatches"] == route(world)["lagging"] == 0


def test_a_service_that_writes_when_it_is_read_changes_nothing_and_is_told(world, shop):
    shop.writes = True
    with people(world) as user:
        read(world, user, lambda seen: seen["impure"])
    assert "not pure" in route(world)["why"]
    with psycopg.connect(world.dsns["service"]) as connection:
        assert connection.execute("select count(*) from parcel where id < 0").fetchone() == (0,)


def test_nobody_waits_for_a_comparer_that_is_frozen_or_dead_and_its_evidence_outlives_it(world, shop):
    with people(world) as user:
        read(world, user, lambda seen: seen["compared"] >= 10)
        before = route(world)["compared"]
    with comparer(world) as second, people(world) as user:
        # It took the socket over from the fixture's one, which is as good as frozen from now on.
        read(world, user, lambda seen: seen["compared"] > before)
        second.send_signal(signal.SIGSTOP)
        assert {user.get("/api/parcels/1").status_code for _ in range(100)} == {200}
        second.kill()
        second.wait(20)
        assert {user.get("/api/parcels/1").status_code for _ in range(100)} == {200}
    assert route(world)["compared"] > before


def test_evidence_of_an_earlier_stay_counts_no_more_and_a_repeated_beginning_forgets_nothing(world, shop):
    with people(world) as user:
        read(world, user, lambda seen: seen["compared"] >= 5)
    with bootstrap.opened("parcels") as mover:
        parts = mover.parts
        WORK.begin(parts)
        assert route(world)["compared"] >= 5
        mover.move(False, Stage.SYNC)
        assert route(world)["compared"] >= 5, "what was found stays"
        mover.move(True, Stage.SHADOW)
        store = ShadowStore(parts.journal.dsn)
        assert store.seen("parcels") == {} or max(one.compared for one in store.seen("parcels").values()) < 5
        store.close()
