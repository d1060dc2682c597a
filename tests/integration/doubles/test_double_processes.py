"""A double is one process: on loopback only, gone at once when told to, with nothing left over."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.doubles.control import Control
from tests.doubles.faults import Kind
from tests.doubles.process import running
from tests.support.postgres import free_port
from tests.support.waiting import wait_until


@pytest.mark.parametrize("name", ["stripe", "twilio", "mail"])
def test_a_double_listens_on_loopback_only_and_ends_when_told_to(name: str, tmp_path: Path):
    port, log = free_port(), tmp_path / "log"
    options = ["--smtp-port", str(free_port())] if name == "mail" else []
    with running(name, port, log, *options) as process:
        control = Control(f"http://127.0.0.1:{port}")
        listening = [one for one in psutil.Process(process.pid).net_connections("inet") if one.status == "LISTEN"]
        assert {one.laddr.ip for one in listening} == {"127.0.0.1"}
        assert len(listening) == (2 if name == "mail" else 1)
        started = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - started < 2
        assert not control.is_alive()
    assert log.read_text(encoding="utf-8") == ""


def test_a_double_does_not_wait_for_its_callers(tmp_path: Path):
    port = free_port()
    with running("stripe", port, tmp_path / "log") as process, ThreadPoolExecutor(1) as pool:
        control = Control(f"http://127.0.0.1:{port}")
        control.fail(Kind.SLOW, seconds=600)
        waiting = pool.submit(
            httpx.post, f"http://127.0.0.1:{port}/v1/refunds", auth=("sk_test_double", ""), timeout=600
        )
        wait_until(lambda: control.received("POST"), 5, "the request is in progress")
        process.terminate()
        assert process.wait(2) == 0
        with pytest.raises(httpx.TransportError):
            waiting.result(5)
