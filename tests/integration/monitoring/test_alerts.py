"""A real Prometheus over the real endpoints of a small domain: silent at rest, and each alert rings at its fault.

An alert's patience (`for`) is tested by Prometheus's own rule tests: tests/unit/migration_plan/alerts_in_time.yml.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from migration_plan import bootstrap
from migration_plan.lifecycle import Stage
from migration_plan.monitoring import domain_figures
from migration_plan.streaming import figures
from tests.integration.plan.conftest import World, running
from tests.support import prometheus
from tests.support.postgres import PostgresServer, free_port
from tests.support.prometheus import Prometheus, Target, rules_at_once
from tests.support.waiting import wait_until


class Fencing(BaseHTTPRequestHandler):
    """A monolith that refuses each write by its fence, though no switch is under way."""

    def do_POST(self) -> None:
        self.send_response(421)
        self.send_header("X-Fig-Fenced", "parcels 1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


@pytest.fixture(scope="module")
def made(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[World]:
    """In `sync` and compared, its streams within 16 MB of WAL."""
    metrics = f"127.0.0.1:{free_port()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "ASK_EVERY", 0.3)
        with running(monolith_server, services_server, services_server, metrics, budget={"wal": "32MB"}) as world:
            world.bring_to(Stage.SYNC)
            world.verify()
            world.metrics = metrics
            yield world


@pytest.fixture(scope="module")
def watching(made: World) -> Iterator[Prometheus]:
    """It reads the proxy, the streams, and what `fig controller` shows."""
    settings: dict[str, Any] = yaml.safe_load(made.settings.read_text())
    address, stop = f"127.0.0.1:{free_port()}", threading.Event()
    targets = [
        Target("proxy", settings["proxies"][0]["listeners"]["metrics"]),
        Target("streams", made.metrics),
        Target("controller", address),
    ]
    with (
        domain_figures.served(address, bootstrap.all_parts(made.environment), stop),
        ExitStack() as last,
        prometheus.running(targets, rules=rules_at_once()) as one,
    ):
        last.callback(stop.set)
        wait_until(lambda: one.scraped() == {"proxy", "streams", "controller"}, 20, "it reads all of them")
        yield one


@pytest.fixture(autouse=True)
def at_rest(watching: Prometheus) -> None:
    wait_until(lambda: not watching.firing(), 40, "no alert fires", every=0.1)


def rings(watching: Prometheus, alert: str) -> None:
    wait_until(lambda: alert in watching.firing(), 30, f"{alert} fires", every=0.1)


def on(world: World, name: str) -> psycopg.Connection[Any]:
    return psycopg.connect(world.admin[name], autocommit=True)


def test_nothing_rings_at_rest(watching: Prometheus) -> None:
    assert watching.query("fig_domain_owners == 1")
    assert watching.query("fig_stream_verified_age_seconds")
    assert watching.silent() == set()
    assert watching.ever_fired() == set()


def test_nobody_owns(made: World, watching: Prometheus) -> None:
    with on(made, "monolith") as connection:
        connection.execute("update fig.domain set state = 'released'")
        try:
            rings(watching, "FigNobodyOwns")
        finally:
            connection.execute("update fig.domain set state = 'owner'")


def test_two_own(made: World, watching: Prometheus) -> None:
    with on(made, "service") as connection:
        connection.execute("update fig.domain set state = 'owner'")
        try:
            rings(watching, "FigTwoOwners")
        finally:
            connection.execute("update fig.domain set state = 'standby'")


def test_a_stream_that_waits_for_somebodys_lock_lags(made: World, watching: Prometheus) -> None:
    with on(made, "service") as service, on(made, "monolith") as monolith, service.transaction():
        service.execute("lock table public.parcel in access exclusive mode")
        monolith.execute("insert into public.parcel values (8001, 'late')")
        rings(watching, "FigStreamLags")


def test_a_stream_whose_rows_are_refused_stands(made: World, watching: Prometheus) -> None:
    with on(made, "service") as service, on(made, "monolith") as monolith:
        service.execute("alter table public.parcel add constraint short check (length(place) < 5) not valid")
        try:
            monolith.execute("insert into public.parcel values (8002, 'far away')")
            rings(watching, "FigStreamStands")
        finally:
            service.execute("alter table public.parcel drop constraint short")


def test_a_slot_that_nobody_reads_nears_its_budget(made: World, watching: Prometheus) -> None:
    made.fig("sync", "stop", "parcels", "--direction", "to_service")
    with on(made, "monolith") as connection:
        try:
            connection.execute("select pg_logical_emit_message(false, 'filling', repeat('x', 18000000))")
            rings(watching, "FigWalBudget")
        finally:
            made.fig("sync", "start", "parcels")
        # A server forgets WAL at a checkpoint after what the slot still needs has been written anew.
        for _ in range(2):
            connection.execute("checkpoint")


def test_an_old_comparison_and_one_that_found_something(made: World, watching: Prometheus) -> None:
    with made.journal() as journal:
        # The figures count from when the domain was enrolled, so all of it is longer ago.
        journal.execute("alter table fig.journal disable trigger journal_append_only")
        journal.execute("update fig.journal set at = at - interval '3 hours' where kind like 'sync-%'")
        journal.execute("update fig.verification set at = at - interval '2 hours'")
        rings(watching, "FigVerificationStale")
        journal.execute("update fig.verification set at = at + interval '2 hours', differences = 1")
        rings(watching, "FigRowsDiffer")
        journal.execute("update fig.verification set differences = 0")


def test_a_fence_that_no_switch_explains(made: World, watching: Prometheus) -> None:
    """The last one: this alert looks five minutes back."""
    settings: dict[str, Any] = yaml.safe_load(made.settings.read_text())
    port = int(settings["upstreams"]["monolith"][0].rpartition(":")[2])
    with ThreadingHTTPServer(("127.0.0.1", port), Fencing) as monolith:
        thread = threading.Thread(target=monolith.serve_forever)
        thread.start()
        try:
            public = settings["proxies"][0]["listeners"]["public"]
            assert httpx.post(f"http://{public}/api/parcels", content=b"x").status_code >= 500
            rings(watching, "FigUnexpectedFences")
        finally:
            monolith.shutdown()
            thread.join()
