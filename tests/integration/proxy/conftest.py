"""A proxy in front of two small servers: the monolith, and two processes of one service."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from proxy import nginx
from proxy.canary import Canary, Cohort
from proxy.client import ProxyClient
from proxy.config import Identity, Limits, ProxyConfig, Static
from proxy.routes import Domain, Route, Upstream
from proxy.tls import Tls
from proxy.workers import workers
from tests.integration.proxy.origin import Origin, new_port
from tests.support import places
from tests.support.certificates import Authority


@dataclass
class World:
    """One nginx with what stands behind it."""

    config: ProxyConfig
    monolith: Origin
    catalog: Origin
    catalog_two: Origin
    client: ProxyClient
    process: subprocess.Popen[bytes] | None = None
    clients: list[httpx.Client] = field(default_factory=list)
    authority: Authority | None = None

    def start(self) -> None:
        self.process = nginx.start(self.config)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)

    def workers(self) -> list[int]:
        assert self.process
        return sorted(workers(self.process.pid))

    def user(self, address: str = "") -> httpx.Client:
        """A client with a connection and cookies of its own; it never retries."""
        secure = self.authority is not None and not address
        client = httpx.Client(
            base_url=f"{'https' if secure else 'http'}://{address or self.config.public}", timeout=30, trust_env=False,
            verify=ssl.create_default_context(cafile=self.authority.file) if secure and self.authority else True,
        )  # fmt: skip
        self.clients.append(client)
        return client

    def machine(self) -> httpx.Client:
        return self.user(self.config.internal)

    def figure(self, series: str) -> float:
        """The value of one series on /metrics, 0 if there is none."""
        for line in self.client.metrics().splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def served(self) -> int:
        """How many requests reached either side of the service."""
        return len(self.catalog.arrivals) + len(self.catalog_two.arrivals)

    def error_log(self) -> str:
        return (self.config.folder / "error.log").read_text()


def configuration(folder: Path, monolith: Origin, catalog: tuple[Origin, ...]) -> ProxyConfig:
    return ProxyConfig(
        folder=folder,
        public=f"127.0.0.1:{new_port()}",
        internal=f"127.0.0.1:{new_port()}",
        metrics=f"127.0.0.1:{new_port()}",
        upstreams=(
            Upstream("monolith", (monolith.address,)),
            Upstream("catalog", tuple(origin.address for origin in catalog)),
        ),
        default_upstream="monolith",
        domains=(
            Domain(
                "catalog",
                (Route("/api/catalog"), Route("/internal/catalog")),
                "monolith",
                "catalog",
                read_by=("/api/payments",),
                canary=Canary(
                    applied_age_ms=60_000,
                    first_byte_ms=400,
                    always=(Cohort("header", "yes", "X-Staff"), Cohort("path", "/api/catalog/tenants/one")),
                    never=(Cohort("cookie", "off", "beta"), Cohort("host", "old.example.org")),
                ),
            ),
        ),
        limits=Limits(longest_hold_ms=5_000, longest_mark_wait_ms=500),
    )


@pytest.fixture(scope="module")
def module_world() -> Iterator[World]:
    """Shared by a module's tests, as starting an nginx is dear; `world` sets it back."""
    yield from _world()


@pytest.fixture
def world(module_world: World) -> World:
    return _set_back(module_world)


@pytest.fixture
def own_world() -> Iterator[World]:
    """For tests that stop, kill or reconfigure nginx."""
    yield from _world()


@pytest.fixture(scope="module")
def identity_module_world() -> Iterator[World]:
    yield from _world(Identity(seconds=1))


@pytest.fixture
def identity_world(identity_module_world: World) -> World:
    return _set_back(identity_module_world)


@pytest.fixture(scope="module")
def static_module_world() -> Iterator[World]:
    """Its pages lie in the folder `pages` beside nginx's own."""
    yield from _world(static="/")


@pytest.fixture
def static_world(static_module_world: World) -> World:
    return _set_back(static_module_world)


@pytest.fixture(scope="module")
def tls_module_world() -> Iterator[World]:
    """Its public listener speaks TLS and HTTP/2; the service, and not the monolith, is asked over TLS."""
    yield from _world(with_tls=True)


@pytest.fixture
def tls_world(tls_module_world: World) -> World:
    return _set_back(tls_module_world)


def _secure(world: World) -> None:
    """Certificates of an authority of our own for the proxy and for both processes of the service."""
    folder = world.config.folder.parent
    world.authority = Authority(folder)
    shown, service = world.authority.issue("shown"), world.authority.issue("service", "catalog.internal")
    for origin in (world.catalog, world.catalog_two):
        origin.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        origin.tls.load_cert_chain(service.file, service.key)
    upstreams = tuple(
        replace(one, tls_name="catalog.internal" if one.name == "catalog" else None) for one in world.config.upstreams
    )
    tls = Tls(shown.file, shown.key, f"127.0.0.1:{new_port()}")
    world.config = replace(world.config, tls=tls, upstreams=upstreams, upstream_authorities=world.authority.file)


def _world(identity: Identity | None = None, static: str = "", with_tls: bool = False) -> Iterator[World]:
    folder = places.server_folder("fig-proxy-")
    (folder / "pages").mkdir()
    monolith, catalog, catalog_two = Origin("monolith"), Origin("catalog"), Origin("catalog")
    config = replace(configuration(folder / "nginx", monolith, (catalog, catalog_two)), identity=identity)
    config = replace(config, static=(Static(static, folder / "pages"),) if static else ())
    client = ProxyClient("test", config.admin_socket)
    world = World(config, monolith, catalog, catalog_two, client)
    origins = (monolith, catalog, catalog_two)
    if with_tls:
        _secure(world)
    for origin in origins:
        origin.start()
    try:
        world.start()
        yield world
    finally:
        for user in world.clients:
            user.close()
        world.stop()
        for origin in origins:
            origin.stop()
        if not os.environ.get("FIG_KEEP"):
            shutil.rmtree(folder)


def _set_back(world: World) -> World:
    """Owner monolith at a new epoch, no hold, nothing recorded."""
    epoch = world.client.routes()["catalog"].epoch
    world.client.set_route("catalog", epoch + 1, "monolith")
    for origin in (world.monolith, world.catalog, world.catalog_two):
        origin.arrivals.clear()
        origin.behaviour = Origin(origin.name).behaviour
    return world


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A red test brings nginx's own words."""
    report = yield
    if report.failed:
        for name in ("world", "own_world", "identity_world", "static_world", "tls_world"):
            world = getattr(item, "funcargs", {}).get(name)
            if world and (world.config.folder / "error.log").is_file():
                report.sections.append(("nginx error.log", world.error_log()[-4000:]))
    return report
