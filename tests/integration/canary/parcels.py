"""The domain `parcels` on two real databases, with streams that can be made slow, an application on either side that
knows nothing of canaries, and two proxies."""

from __future__ import annotations

import itertools
import os
import queue
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import yaml

from cdc.target.apply import TargetSession
from migration_plan import bootstrap, proxies
from migration_plan.comparing.verification import verify_domain
from migration_plan.configuration import settings as settings_file
from migration_plan.lifecycle import Stage
from migration_plan.parts import Parts
from migration_plan.streaming import daemon as streaming
from proxy import nginx
from tests.integration.cdc.stream.conftest import as_fig, make_side
from tests.integration.proxy.origin import Answer, Arrival, Origin, new_port
from tests.support import places
from tests.support.postgres import PostgresServer

FENCED = "SF421"
TABLE = "create table parcel (id bigint primary key, place text not null)"
_number = itertools.count(1)


class Application:
    """Reads and writes rows of its own database, and hands a fenced write back to the proxy."""

    def __init__(self, side: str, dsn: str) -> None:
        self.origin = Origin(side)
        self.origin.behaviour = self._answer
        self._pool: queue.Queue[psycopg.Connection[Any]] = queue.Queue()
        for _ in range(6):
            self._pool.put(psycopg.connect(dsn, autocommit=True))

    def close(self) -> None:
        self.origin.stop()
        while not self._pool.empty():
            self._pool.get().close()

    def _answer(self, arrival: Arrival) -> Answer:
        asked = urlsplit(arrival.path)
        number, said = int(asked.path.rpartition("/")[2]), parse_qs(asked.query)
        connection = self._pool.get()
        try:
            if said:
                connection.execute("update parcel set place = %s where id = %s", [said["place"][0], number])
                return Answer(body=b"written")
            row = connection.execute("select place from parcel where id = %s", [number]).fetchone()
            return Answer(body=f"{self.origin.name} {row[0] if row else -1}".encode())
        except psycopg.Error as error:
            if error.sqlstate != FENCED:
                raise
            fence = yaml.safe_load(error.diag.message_detail or "")
            return Answer(421, b"", {"X-Fig-Fenced": f"{fence['domain']} {fence['epoch']}"})
        finally:
            self._pool.put(connection)


@dataclass
class Parcels:
    """What a test needs of it. `delay`: seconds that each batch of rows waits before it is committed on the copy."""

    settings: Path
    addresses: list[str]
    delay: list[float] = field(default_factory=lambda: [0.0])

    @contextmanager
    def parts(self) -> Iterator[Parts]:
        mover = bootstrap.build("parcels", {"FIG_CONFIG": str(self.settings)})
        with closing(mover.parts) as parts:
            yield parts

    def move(self, *stages: Stage) -> None:
        for stage in stages:
            mover = bootstrap.build("parcels", {"FIG_CONFIG": str(self.settings)})
            with closing(mover.parts):
                if stage is Stage.CANARY:
                    verify_domain(mover.parts)
                forced = "this test steers the canary itself" if stage is Stage.SERVICE else ""
                mover.move(stage is not Stage.MONOLITH, stage, forced)

    def figure(self, name: str) -> float:
        """Of all proxies together."""
        total, series = 0.0, f'{name}{{domain="parcels"}} '
        with self.parts() as parts:
            for proxy in parts.proxies:
                lines = proxy.metrics().splitlines()
                total += sum(float(line.removeprefix(series)) for line in lines if line.startswith(series))
        return total


def _documents(folder: Path, dsns: dict[str, str], applications: dict[str, Application]) -> list[str]:
    """Write plan and settings; the public addresses of both proxies."""
    plan = {
        "domain": "parcels",
        "stages": ["monolith", "sync", "canary", "service"],
        "routes": [{"path": "/api/parcels"}],
        "sides": {side: {"dsn": as_fig(dsns[side]), "upstream": side} for side in applications},
        "tables": [{"monolith": "public.parcel", "service": {"public.parcel": {"id": "id", "place": "place"}}}],
        "gates": {"lag": "30s"},
        "limits": {"drain": "8s", "hold": "9s", "patience": "20s", "quiet": "50ms"},
        "canary": {"steps": ["25%", "100%"], "each": "1h", "limits": {"lag": "30s", "applied_age": "30s"}},
    }
    (folder / "parcels.yml").write_text(yaml.safe_dump(plan))
    listeners = [{name: f"127.0.0.1:{new_port()}" for name in ("public", "internal", "metrics")} for _ in range(2)]
    settings = {
        "journal": {"dsn": dsns["journal"]},
        "proxies": [
            {"name": f"proxy{number}", "folder": str(folder / f"nginx{number}"), "listeners": one}
            for number, one in enumerate(listeners)
        ],
        "upstreams": {side: [application.origin.address] for side, application in applications.items()},
        "default_upstream": "monolith",
        "plans": ["parcels.yml"],
    }
    (folder / "fig.yml").write_text(yaml.safe_dump(settings))
    return [one["public"] for one in listeners]


def _clear(dsn: str) -> None:
    """Slots and origins belong to a whole server, and the next test has streams of the same names."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()"
        )
        connection.execute(
            "select pg_replication_origin_drop(roname) from pg_replication_origin where roname like '%parcels_to_%'"
        )


@pytest.fixture
def parcels(
    monolith_server: PostgresServer, services_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Parcels]:
    folder, number = places.server_folder("fig-parcels-"), f"{os.getpid()}_{next(_number)}"
    servers = {"monolith": monolith_server, "service": services_server, "journal": services_server}
    dsns = {name: server.create_database(f"parcels_{name}_{number}") for name, server in servers.items()}
    for side in ("monolith", "service"):
        make_side(servers[side], dsns[side], TABLE)
    with psycopg.connect(dsns["monolith"], autocommit=True) as connection:
        connection.execute("insert into parcel select n, '0' from generate_series(1, 50) n")
    applications = {side: Application(side, dsns[side]) for side in ("monolith", "service")}
    world = Parcels(folder / "fig.yml", _documents(folder, dsns, applications))
    committed = TargetSession.commit

    def late(session: TargetSession, group: Any, beside: Any = ()) -> None:
        if group.rows and session._spec.name == "parcels_to_service":
            threading.Event().wait(world.delay[0])
        committed(session, group, beside)

    monkeypatch.setattr(TargetSession, "commit", late)
    environment, stop = {"FIG_CONFIG": str(world.settings)}, threading.Event()
    configs = proxies.proxy_configs(
        settings_file.load(environment), [one.plan for one in bootstrap.all_parts(environment)]
    )
    processes = []
    streams = threading.Thread(target=streaming.run, args=(bootstrap.all_parts(environment), stop, ""))
    try:
        for application in applications.values():
            application.origin.start()
        processes = [nginx.start(config) for config in configs.values()]
        streams.start()
        yield world
    finally:
        stop.set()
        streams.join(30)
        for process in processes:
            process.terminate()
            process.wait(20)
        for application in applications.values():
            application.close()
        for side in applications:
            _clear(dsns[side])
        shutil.rmtree(folder, ignore_errors=True)
