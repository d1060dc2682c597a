"""A small domain with everything that a move touches: two databases, streams, a journal, a real proxy."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from click.testing import CliRunner

from migration_plan import bootstrap, proxies
from migration_plan.cli import main
from migration_plan.comparing.verification import verify_domain
from migration_plan.configuration import settings as settings_file
from migration_plan.gate import Gate
from migration_plan.lifecycle import Stage
from migration_plan.moving.moves import Mover
from migration_plan.parts import Parts, StageWork
from migration_plan.streaming import daemon as streaming
from proxy import nginx
from tests.integration.cdc.stream.conftest import as_fig, make_side
from tests.support import places
from tests.support.postgres import PostgresServer, free_port

TABLE = "create table parcel (id bigint primary key, place text not null)"
LIFE = ["monolith", "sync", "shadow", "canary", "service", "retired"]
_databases = itertools.count(1)


@dataclass
class Works:
    """What shadow and canary were asked for, and the gate that keeps their stages."""

    asked: list[str] = field(default_factory=list)
    shut: set[Stage] = field(default_factory=set)
    can_be_forced: bool = True

    def of(self, stage: Stage) -> StageWork:
        return StageWork(
            stage, f"begins {stage}", f"ends {stage}", lambda parts: self.asked.append(f"begin {stage}"),
            lambda parts: self.asked.append(f"end {stage}"), lambda parts: (self.gate(stage),),
        )  # fmt: skip

    def gate(self, stage: Stage) -> Gate:
        met = stage not in self.shut
        return Gate(f"{stage}-evidence", met, "1000" if met else "7", "1000", "wait", self.can_be_forced)


class Streams:
    """`fig streams` in a thread: it reads the plans when it starts."""

    def __init__(self, environment: dict[str, str], metrics: str = "") -> None:
        self._environment, self._metrics = environment, metrics
        self.start()

    def start(self) -> None:
        self._stop = threading.Event()
        self._parts = bootstrap.all_parts(self._environment)
        self._thread = threading.Thread(target=streaming.run, args=(self._parts, self._stop, self._metrics))
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join(20)
        for parts in self._parts:
            parts.close()


@dataclass
class World:
    """The domain `parcels`, and its plan as it is to be changed."""

    settings: Path
    dsns: dict[str, str]
    admin: dict[str, str]
    works: Works = field(default_factory=Works)
    metrics: str = ""
    streams: Streams = field(init=False)

    @property
    def environment(self) -> dict[str, str]:
        return {"FIG_CONFIG": str(self.settings)}

    @contextmanager
    def mover(self, **changes: Any) -> Iterator[Mover]:
        mover = bootstrap.build("parcels", self.environment)
        work = {stage: self.works.of(stage) for stage in (Stage.SHADOW, Stage.CANARY)}
        mover.parts = replace(mover.parts, work=work)
        for name, value in changes.items():
            setattr(mover, name, value)
        try:
            yield mover
        finally:
            mover.parts.close()

    @contextmanager
    def parts(self) -> Iterator[Parts]:
        with self.mover() as mover:
            yield mover.parts

    def verify(self) -> None:
        with self.parts() as parts:
            verify_domain(parts)

    def bring_to(self, stage: Stage) -> None:
        """From wherever it is; back first, then on."""
        self.works.shut.clear()
        with self.mover() as mover:
            while (now := mover.parts.journal.stage("parcels")) is not stage:
                forward = now.place < stage.place
                if forward and now is not Stage.MONOLITH:
                    verify_domain(mover.parts)
                mover.move(forward)
        self.works.asked.clear()

    def fig(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The command as a person runs it, in this process: a start of Python costs more than what is tested."""
        nowhere = str(self.settings.parent / "none")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.environment, "FIG_STATE": nowhere, **variables}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["fig", *arguments])
            done = CliRunner().invoke(main, arguments)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def change_plan(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Edit the plan as a person does; `fig streams` is started anew with it."""
        path = self.settings.parent / "parcels.yml"
        document = yaml.safe_load(path.read_text())
        change(document)
        path.write_text(yaml.safe_dump(document))
        self.streams.end()
        self.streams.start()

    def json(self, *arguments: str, **variables: str) -> dict[str, Any]:
        said = self.fig(*arguments, "--json", **variables)
        found: dict[str, Any] = json.loads(said.stdout or said.stderr)
        return found

    def journal(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsns["journal"], autocommit=True)


def _plan(dsns: dict[str, str], stages: list[str]) -> dict[str, Any]:
    return {
        "domain": "parcels",
        "stages": stages,
        "routes": [{"path": "/api/parcels"}],
        "sides": {side: {"dsn": as_fig(dsns[side]), "upstream": side} for side in ("monolith", "service")},
        "tables": [{"monolith": "public.parcel", "service": {"public.parcel": {"id": "id", "place": "place"}}}],
        "limits": {"drain": "1s", "patience": "10s", "quiet": "50ms"},
        "shadow": {
            "routes": ["/api/parcels", "/api/parcels/{id}"],
            "sample": "100%",
            "rate": 100,
            "comparisons": 30,
            "mismatches": "10%",
        },
    }


@pytest.fixture(scope="module")
def journal_server(services_server: PostgresServer) -> PostgresServer:
    """Where the journal is; a folder whose servers are restored has it elsewhere."""
    return services_server


@pytest.fixture(scope="module")
def made(
    monolith_server: PostgresServer, services_server: PostgresServer, journal_server: PostgresServer
) -> Iterator[World]:
    """Shared by a module's tests; each brings it to the stage that it needs."""
    with running(monolith_server, services_server, journal_server) as world:
        yield world


@contextmanager
def running(
    monolith_server: PostgresServer, services_server: PostgresServer, journal_server: PostgresServer,
    metrics: str = "", **changes: Any,
) -> Iterator[World]:  # fmt: skip
    """Databases, streams and proxy of the domain; the streams' figures at `metrics`, the plan with `changes`."""
    folder, number = places.server_folder("fig-plan-"), f"{os.getpid()}_{next(_databases)}"
    servers = {"monolith": monolith_server, "service": services_server, "journal": journal_server}
    dsns = {name: server.create_database(f"plan_{name}_{number}") for name, server in servers.items()}
    for side in ("monolith", "service"):
        make_side(servers[side], dsns[side], TABLE)
    (folder / "parcels.yml").write_text(yaml.safe_dump({**_plan(dsns, LIFE), **changes}))
    listeners = {name: f"127.0.0.1:{free_port()}" for name in ("public", "internal", "metrics")}
    settings = {
        "journal": {"dsn": dsns["journal"]},
        "proxies": [{"name": "local", "folder": str(folder / "nginx"), "listeners": listeners}],
        "upstreams": {side: [f"127.0.0.1:{free_port()}"] for side in ("monolith", "service")},
        "default_upstream": "monolith",
        "plans": ["parcels.yml"],
    }
    (folder / "fig.yml").write_text(yaml.safe_dump(settings))
    world = World(folder / "fig.yml", dsns, dict(dsns), metrics=metrics)
    config = proxies.proxy_configs(
        settings_file.load(world.environment), [one.plan for one in bootstrap.all_parts(world.environment)]
    )["local"]
    process = nginx.start(config)
    world.streams = Streams(world.environment, metrics)
    try:
        yield world
        world.bring_to(Stage.MONOLITH)
    finally:
        world.streams.end()
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def world(made: World) -> World:
    made.works.asked.clear()
    made.works.shut.clear()
    made.works.can_be_forced = True
    return made
