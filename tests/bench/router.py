"""What the router costs, against the same nginx with plain proxy_pass: before the monolith, and before nothing."""

from __future__ import annotations

import shutil
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import httpx

from proxy import nginx
from proxy.config import Domain, ProxyConfig, Route, Upstream
from tests.bench.figure import Figure, Scale
from tests.bench.wrk import Rate, wrk
from tests.support import places
from tests.support.postgres import free_port
from tests.support.stack import running_stack
from tests.support.waiting import wait_until

READ = "/api/catalog/products"

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
    keepalive_requests 1000000; proxy_http_version 1.1;
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
        with plain(f"127.0.0.1:{stack.ports['monolith']}", workers=2) as peer:
            ours, against = _in_turn(scale, f"127.0.0.1:{stack.ports['public']}", peer, "GET", READ)
    return [
        _throughput("router before the monolith, reads", ours, against, 0.97),
        _p99("router before the monolith, p99 of reads", ours, against, 1.1),
    ]


def before_nothing(scale: Scale) -> Sequence[Figure]:
    """An upstream that answers at once: a read and a write of a domain at rest, and a read of no domain."""
    with nothing() as upstream, plain(upstream, workers=1) as peer, router(upstream) as address:
        figures = []
        for what, method, path, at_least in (
            ("writes of a domain", "POST", READ, 0.6),
            ("reads of a domain at rest", "GET", READ, 0.9),
            ("reads of no domain", "GET", "/elsewhere", 0.6),
        ):
            ours, against = _in_turn(scale, address, peer, method, path)
            figures.append(_throughput(f"router before a null upstream, {what}", ours, against, at_least))
    return figures


def _in_turn(scale: Scale, ours: str, against: str, method: str, path: str) -> tuple[list[Rate], list[Rate]]:
    """A B A B …, after a short run of each."""
    seconds, pairs = scale.of(5, 1), []
    for address in (ours, against):
        wrk(f"http://{address}{path}", 1, method=method)
    for number in range(scale.of(5, 1)):
        pair = tuple(wrk(f"http://{address}{path}", seconds, method=method) for address in (ours, against))
        if failed := sum(rate.failed for rate in pair):
            raise RuntimeError(f"{failed} requests failed on {method} {path}")
        scale.say(
            f"{method} {path} {number + 1}: ours {pair[0].per_second:,.0f}/s, against {pair[1].per_second:,.0f}/s"
        )
        pairs.append(pair)
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _throughput(name: str, ours: Sequence[Rate], against: Sequence[Rate], at_least: float) -> Figure:
    one, other = (statistics.median(rate.per_second for rate in rates) for rates in (ours, against))
    return Figure(name, one, other, one / other, at_least, "requests/s")


def _p99(name: str, ours: Sequence[Rate], against: Sequence[Rate], at_most: float) -> Figure:
    one, other = (statistics.median(rate.p99_ms for rate in rates) for rates in (ours, against))
    return Figure(name, one, other, other / one, 1 / at_most, "ms")


@contextmanager
def plain(behind: str, workers: int) -> Iterator[str]:
    """The peer before one upstream; its address."""
    with _nginx(PLAIN, behind=behind, workers=str(workers)) as address:
        yield address


@contextmanager
def nothing() -> Iterator[str]:
    with _nginx(NOTHING) as address:
        yield address


@contextmanager
def router(upstream: str) -> Iterator[str]:
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
        yield config.public


@contextmanager
def _nginx(text: str, **more: str) -> Iterator[str]:
    folder, address = places.server_folder("fig-bench-"), f"127.0.0.1:{free_port()}"
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder)
        conf = folder / "nginx.conf"
        conf.write_text(text.format(folder=folder, address=address, **more))
        process = subprocess.Popen([nginx.binary(), "-e", folder / "error.log", "-p", folder, "-c", conf])
        ending.callback(process.wait, 20)
        ending.callback(process.terminate)
        wait_until(lambda: _answers(address), 10, f"nginx of {conf} answers")
        yield address


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/", timeout=2).status_code < 600
    except httpx.TransportError:
        return False
