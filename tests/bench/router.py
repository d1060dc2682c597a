"""What the router costs, against the same nginx with plain proxy_pass: before the monolith, and before nothing.

Before nothing each kind of request has two figures: requests per second, for which client, proxy and upstream share
the machine's cores, and the CPU that the proxy's one worker used for a request, which is the router's own.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx
import psutil

from proxy import installation, nginx
from proxy.config import ProxyConfig
from proxy.routes import Domain, Route, Upstream
from tests.bench.figure import Figure, Scale
from tests.bench.wrk import Rate, wrk
from tests.support import places
from tests.support.postgres import free_port
from tests.support.stack import running_stack
from tests.support.waiting import wait_until

READ = "/api/catalog/products"


@dataclass(frozen=True)
class Kind:
    """Requests of one kind, and the part of plain proxying's rate that they are to reach."""

    name: str
    at_least: float
    method: str = "GET"
    path: str = READ
    has_body: bool = False


@dataclass(frozen=True)
class Server:
    """An nginx, where it listens and its master process."""

    address: str
    master: int

    def cpu(self) -> float:
        """Seconds of CPU that its workers have used."""
        times = [worker.cpu_times() for worker in psutil.Process(self.master).children()]
        return sum(time.user + time.system for time in times)


@dataclass(frozen=True)
class Run:
    rate: Rate
    cpu: float
    """Microseconds of the workers' CPU for one request."""


KINDS = (
    Kind("writes of a domain with a body", 0.6, "POST", has_body=True),
    Kind("writes of a domain without a body", 0.6, "POST"),
    Kind("reads of a domain at rest", 0.9),
    Kind("reads of no domain", 0.6, path="/elsewhere"),
)

# The peer: the same program with the same settings and the same log, and nothing decided.
PLAIN = """
worker_processes {workers}; worker_rlimit_nofile 16384; pid {folder}/nginx.pid; error_log {folder}/error.log error;
daemon off;
events {{ worker_connections 8192; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/answers;
    log_format json escape=json '{{"time":"$time_iso8601","request_id":"$request_id","method":"$request_method",'
        '"path":"$uri","status":$status,"bytes":$bytes_sent,"seconds":$request_time,"upstream":"$upstream_addr",'
        '"upstream_status":"$upstream_status","upstream_seconds":"$upstream_response_time"}}';
    access_log {folder}/access.json json buffer=64k flush=1s;
    keepalive_requests 1000000; proxy_http_version 1.1; request_pool_size 8k;
    upstream behind {{ server {behind}; keepalive 64; }}
    server {{
        listen {address} backlog=4096;
        location / {{
            proxy_set_header Host $http_host; proxy_set_header Connection ""; proxy_set_header X-Request-Id $request_id;
            proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
            add_header X-Request-Id $request_id always;
            proxy_pass http://behind;
        }}
    }}
}}
"""
# Answers at once, so that nothing but the proxy is measured.
NOTHING = """
worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log error; daemon off;
events {{ worker_connections 8192; }}
http {{
    client_body_temp_path {folder}/body; access_log off; keepalive_requests 1000000;
    server {{ listen {address} backlog=4096; location / {{ return 200 "nothing\\n"; }} }}
}}
"""


def measure(scale: Scale) -> Sequence[Figure]:
    return [*before_the_monolith(scale), *before_nothing(scale)]


def before_the_monolith(scale: Scale) -> Sequence[Figure]:
    """Reads of the catalog's list, anonymous, by 16 kept connections."""
    for stack in running_stack(None, "monolith", "nginx"):
        router_there = Server(f"127.0.0.1:{stack.ports['public']}", stack.pid("nginx"))
        with plain(f"127.0.0.1:{stack.ports['monolith']}", workers=2) as peer:
            ours, against = _in_turn(scale, router_there, peer, Kind("reads", 0.97))
    return [
        _throughput("router before the monolith, reads", ours, against, 0.97),
        _p99("router before the monolith, p99 of reads", ours, against, 1.1),
    ]


def before_nothing(scale: Scale) -> Sequence[Figure]:
    """An upstream that answers at once: reads and writes of a domain at rest, and reads of no domain."""
    with nothing() as upstream, plain(upstream.address, workers=1) as peer, router(upstream.address) as one:
        figures = []
        for kind in KINDS:
            ours, against = _in_turn(scale, one, peer, kind)
            name = f"router before a null upstream, {kind.name}"
            figures += [_throughput(name, ours, against, kind.at_least), _cpu(name, ours, against, kind.at_least)]
    return figures


def _in_turn(scale: Scale, ours: Server, against: Server, kind: Kind) -> tuple[list[Run], list[Run]]:
    """A B A B …, after a short run of each."""
    seconds, pairs = scale.of(5, 1), []
    for server in (ours, against):
        _run(server, 1, kind)
    for number in range(scale.of(5, 1)):
        one, other = (_run(server, seconds, kind) for server in (ours, against))
        if failed := one.rate.failed + other.rate.failed:
            raise RuntimeError(f"{failed} requests failed: {kind.name}")
        scale.say(
            f"{kind.name} {number + 1}: ours {one.rate.per_second:,.0f}/s, {one.cpu:.1f} µs; "
            f"against {other.rate.per_second:,.0f}/s, {other.cpu:.1f} µs"
        )
        pairs.append((one, other))
    return [one for one, _ in pairs], [other for _, other in pairs]


def _run(server: Server, seconds: int, kind: Kind) -> Run:
    before = server.cpu()
    rate = wrk(f"http://{server.address}{kind.path}", seconds, method=kind.method, has_body=kind.has_body)
    return Run(rate, (server.cpu() - before) * 1e6 / rate.count)


def _throughput(name: str, ours: Sequence[Run], against: Sequence[Run], at_least: float) -> Figure:
    one, other = (statistics.median(run.rate.per_second for run in runs) for runs in (ours, against))
    return Figure(name, one, other, one / other, at_least, "requests/s")


def _cpu(name: str, ours: Sequence[Run], against: Sequence[Run], at_least: float) -> Figure:
    """The least of each: whatever else the machine does only adds to it."""
    one, other = (min(run.cpu for run in runs) for runs in (ours, against))
    return Figure(f"{name}: CPU a request", one, other, other / one, at_least, "µs")


def _p99(name: str, ours: Sequence[Run], against: Sequence[Run], at_most: float) -> Figure:
    one, other = (statistics.median(run.rate.p99_ms for run in runs) for runs in (ours, against))
    return Figure(name, one, other, other / one, 1 / at_most, "ms")


@contextmanager
def plain(behind: str, workers: int) -> Iterator[Server]:
    """The peer before one upstream."""
    with _nginx(PLAIN, behind=behind, workers=str(workers)) as server:
        yield server


@contextmanager
def nothing() -> Iterator[Server]:
    with _nginx(NOTHING) as server:
        yield server


@contextmanager
def router(upstream: str) -> Iterator[Server]:
    """Our nginx with one domain at rest, before one upstream, with one worker."""
    folder = places.server_folder("fig-bench-")
    config = ProxyConfig(
        folder=folder / "nginx",
        public=f"127.0.0.1:{free_port()}",
        internal=f"127.0.0.1:{free_port()}",
        metrics=f"127.0.0.1:{free_port()}",
        upstreams=(Upstream("monolith", (upstream,)), Upstream("catalog", (upstream,))),
        default_upstream="monolith",
        domains=(Domain("catalog", (Route(READ),), "monolith", "catalog"),),
        worker_processes=1,
    )
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder)
        process = nginx.start(config)
        ending.callback(process.wait, 20)
        ending.callback(process.terminate)
        yield Server(config.public, process.pid)


@contextmanager
def _nginx(text: str, **more: str) -> Iterator[Server]:
    folder, address = places.server_folder("fig-bench-"), f"127.0.0.1:{free_port()}"
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder)
        conf = folder / "nginx.conf"
        conf.write_text(text.format(folder=folder, address=address, **more))
        process = subprocess.Popen([installation.binary(), "-e", folder / "error.log", "-p", folder, "-c", conf])
        ending.callback(process.wait, 20)
        ending.callback(process.terminate)
        wait_until(lambda: _answers(address), 10, f"nginx of {conf} answers")
        yield Server(address, process.pid)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/", timeout=2).status_code < 600
    except httpx.TransportError:
        return False
