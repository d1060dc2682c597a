"""A switch is a trace of its own, under the id that the journal has, whoever performed it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from migration_plan.lifecycle import Stage
from tests.integration.plan.conftest import World, running
from tests.support.collector import Collector, hanging
from tests.support.postgres import PostgresServer


@pytest.fixture(scope="module")
def made(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[World]:
    """Without shadow and canary."""
    stages = ["monolith", "sync", "service"]
    with running(monolith_server, services_server, services_server, stages=stages) as world:
        yield world


def advance(world: World, endpoint: str) -> str:
    """As a person does it: a process that ends. The switch's id."""
    world.bring_to(Stage.SYNC)
    world.verify()
    done = subprocess.run(
        [Path(sys.executable).parent / "fig", "advance", "parcels", "--json"],
        env={**os.environ, **world.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(done.stdout)["switch"]["switch"])


def test_a_switch_and_its_steps_are_spans_under_its_own_id(made: World, collector: Collector) -> None:
    switch = advance(made, collector.url)
    spans = collector.of(switch.replace("-", ""))
    [whole] = [span for span in spans if not span.parent]
    assert (whole.service, whole.name, whole.facts["fig.taker"]) == ("fig", "switch", "service")
    steps = [span.name for span in spans if span.parent == whole.id]
    assert len(steps) == len(spans) - 1
    with made.journal() as journal:
        query = "select kind from fig.journal where switch = %s and kind <> 'intent' order by at, id"
        assert steps == [kind for (kind,) in journal.execute(query, [switch]).fetchall()]
    assert steps[-1] == "done"


@pytest.mark.full
def test_a_collector_that_hangs_harms_no_switch(made: World) -> None:
    with hanging() as (endpoint, _taken):
        assert advance(made, endpoint)
