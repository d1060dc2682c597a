"""A collector, and the processes that hand their spans to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.catalog.conftest import catalog_database, issuer, public_key_file, start_service
from tests.integration.events.conftest import broker, identity_files, monolith_side, service_side, side
from tests.support.collector import Collector, collecting
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

__all__ = [
    "broker", "catalog_database", "identity_files", "issuer", "monolith_side", "public_key_file", "service_side",
    "side", "start_service",
]  # fmt: skip

PROJECT = Path(__file__).parents[3]
SERVED = "tests.integration.tracing.traced:create_app()"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@contextmanager
def monolith(folder: Path, endpoint: str) -> Iterator[tuple[str, Path]]:
    """As it is served, by two processes that are forked: its address and its log."""
    port, log = free_port(), folder / "monolith.log"
    env = {**os.environ, "MONOLITH_BIND": f"127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    command = [sys.executable, "-m", "gunicorn", "-c", "legacy_monolith/gunicorn.conf.py", "-w", "2", SERVED]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=PROJECT, env=env, stdout=file, stderr=file)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _answers(url), 60, f"gunicorn answers; log: {log}")
            yield url, log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url + "/livez").status_code == 200
    except httpx.TransportError:
        return False
