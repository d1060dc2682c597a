"""What applications answer is counted by each of their processes and shown by any of them for all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client

from migration_plan.reference.figures import figures
from proxy.middleware import guard
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

PATH = "/internal/metrics"
CONFIG = "legacy_monolith/gunicorn.conf.py"
PROJECT = Path(__file__).parents[3]


def samples(text: str) -> dict[tuple[str, ...], float]:
    """By name and values of the labels, in the labels' order."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def known_series() -> set[str]:
    return {name for figure in figures() for name in figure.series}


def shown(text: str) -> set[str]:
    """Names of series; those that the library adds for a counter's beginning are nobody's figures."""
    return {name for name, *_ in samples(text) if not name.endswith("_created")}


@pytest.fixture
def monolith(tmp_path: Path) -> Iterator[str]:
    """The monolith's own way to be served, with several processes, and figures of an earlier life."""
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"of last time")
    port = free_port()
    env = {**os.environ, "MONOLITH_BIND": f"127.0.0.1:{port}", "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    target = "proxy.middleware:guard('tests.integration.monitoring.answering:application')"
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "gunicorn", "-c", CONFIG, "-w", "2", target]
        process = subprocess.Popen(command, cwd=PROJECT, env=env, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(url), 20, "gunicorn answers")
            yield url
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(20)


def answers(url: str) -> bool:
    try:
        return httpx.get(url + "/livez").status_code == 200
    except httpx.TransportError:
        return False


def test_any_process_of_the_monolith_shows_what_all_have_answered(monolith: str) -> None:
    processes: set[str] = set()
    asked = 0
    while len(processes) < 2 and asked < 200:
        # A connection of its own each time: who takes it is chance.
        processes.add(httpx.get(monolith + "/").text)
        asked += 1
    assert len(processes) > 1
    text = httpx.get(monolith + PATH).text
    assert samples(text)["fig_app_requests_total", "monolith", "read", "monolith", "2xx"] == asked
    assert samples(text)["fig_app_request_seconds_count", "monolith", "read", "monolith"] == asked
    assert shown(text) <= known_series()


def test_what_an_application_fails_at_is_counted_too() -> None:
    def broken(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        raise RuntimeError("broken")

    client = Client(guard(broken))
    with pytest.raises(RuntimeError):
        client.post("/")
    assert samples(client.get(PATH).text)["fig_app_requests_total", "monolith", "write", "monolith", "5xx"] == 1
