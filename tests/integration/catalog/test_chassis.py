"""The chassis: it starts, stops, waits and survives as a service in production has to."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.catalog.processes import CATALOG, NO_BROKER, ServiceProcess
from tests.support.clients import Answer
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

PROBE = "tests.integration.catalog.probe_service:ProbeService"

Starter = Callable[..., ServiceProcess]


def test_other_greenthreads_run_during_a_query(start_service: Starter) -> None:
    assert start_service(PROBE).client().get("/ticks").json()["ticks"] > 25


def test_other_greenthreads_run_while_a_thread_computes(start_service: Starter) -> None:
    assert start_service(PROBE).client().get("/ticks-while-hashing").json()["ticks"] > 5


def test_an_idle_service_that_serves_http_only_stops_within_two_seconds(start_service: Starter) -> None:
    service = start_service(PROBE)
    # Without the runner's pipe an idle process would notice the signal after up to a minute.
    assert service.seconds_to_stop() < 8
    assert seconds_between(service, "stopping", "stopped") < 2


def test_a_service_whose_broker_is_down_starts_answers_and_stops(start_service: Starter) -> None:
    service = start_service(AMQP_URL=NO_BROKER)
    assert service.client().get("/api/catalog/products").status == 200
    assert service.seconds_to_stop() < 8
    assert "Traceback" not in service.said()


def test_a_request_that_runs_at_sigterm_is_answered_and_the_connection_announced_closed(
    start_service: Starter,
) -> None:
    service = start_service(PROBE)
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.append(service.client().get("/sleep/2")))
    asking.start()
    wait_until(lambda: _established(service.port), 5, "the request has arrived")
    service.seconds_to_stop()
    asking.join(10)
    assert answers[0].status == 200
    assert answers[0].headers["connection"] == "close"


def test_a_stopping_service_is_alive_but_not_ready(start_service: Starter) -> None:
    service = start_service(PROBE)
    asking = threading.Thread(target=service.client().get, args=("/sleep/2",))
    asking.start()
    wait_until(lambda: _established(service.port), 5, "the request has arrived")
    service.send(signal.SIGTERM)
    wait_until(lambda: service.client().get("/readyz").status == 503, 1, "the service says that it drains")
    assert service.client().get("/livez").status == 200
    asking.join(10)
    assert service.process is not None
    assert service.process.wait(10) == 0


def test_probes_are_answered_while_every_worker_is_busy(start_service: Starter) -> None:
    service = start_service(PROBE, options=("--workers", "1"))
    asking = threading.Thread(target=service.client().get, args=("/sleep/2",))
    asking.start()
    wait_until(lambda: _established(service.port), 5, "the only worker is busy")
    started = time.monotonic()
    assert service.client().get("/livez").status == 200
    assert service.client().get("/readyz").status == 200
    assert time.monotonic() - started < 1
    asking.join(10)


def test_a_taken_port_is_named_with_the_option_that_changes_it(start_service: Starter) -> None:
    service = start_service(PROBE)
    second = subprocess.run(
        [sys.executable, "-m", "extracted.platform.run", PROBE, "--port", str(service.port)],
        env={**os.environ, **service.environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 2
    assert f"port {service.port} on 127.0.0.1 is taken" in second.stderr
    assert "--port" in second.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CATALOG_DATABASE_URL", "", "CATALOG_DATABASE_URL is not set"),
        ("CATALOG_DATABASE_URL", "postgresql://catalog_app@127.0.0.1/x", "postgresql+psycopg2://"),
        ("IDENTITY_PUBLIC_KEY_FILE", "/nowhere/key", "there is no file /nowhere/key"),
        ("AMQP_URL", "", "AMQP_URL is not set"),
    ],
)
def test_a_setting_that_is_wrong_ends_the_start_with_one_clear_line(
    public_key_file: Path, variable: str, value: str, said: str
) -> None:
    environment = {
        "CATALOG_DATABASE_URL": "postgresql+psycopg2://catalog_app@127.0.0.1:1/catalog",
        "IDENTITY_PUBLIC_KEY_FILE": str(public_key_file),
        "AMQP_URL": NO_BROKER,
        variable: value,
    }
    run = subprocess.run(
        [sys.executable, "-m", "extracted.platform.run", CATALOG, "--port", str(free_port())],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_a_failure_is_a_500_that_tells_nothing_and_a_log_line_that_tells_all(start_service: Starter) -> None:
    service = start_service(PROBE)
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    answer = service.client(**{"X-Request-Id": "abc-123", **trace}).get("/fails")
    assert answer.status == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "abc-123"
    assert b"secret" not in answer.body
    lines = [json.loads(line) for line in service.said().splitlines()]
    failure = next(line for line in lines if line["message"] == "an entrypoint failed")
    assert failure["request_id"] == "abc-123"
    assert failure["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert "a secret of ours" in failure["exception"]


def test_a_request_id_that_could_spoil_the_log_is_replaced(start_service: Starter) -> None:
    answer = start_service(PROBE).client(**{"X-Request-Id": 'a"b c'}).get("/ticks")
    assert len(answer.headers["x-request-id"]) == 32


def test_broken_clients_do_no_harm(start_service: Starter) -> None:
    service = start_service(PROBE)
    for sent in (
        b"",
        b"\x00\xff\xfe\r\n\r\n",
        b"GET /ticks HTTP/1.1\r\nHost: x\r\n",
        b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort",
        b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /ticks HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000,
    ):
        _send_and_reset(service.port, sent)
    assert service.client().get("/ticks").status == 200
    assert service.process is not None
    assert service.process.poll() is None


def test_running_out_of_file_descriptors_does_not_end_the_service(start_service: Starter) -> None:
    service = start_service(PROBE)
    assert service.process is not None
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (40, 40))
    held = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(60)]
    wait_until(lambda: "cannot accept a connection" in service.said(), 10, "no descriptor is left")
    for connection in held:
        connection.close()
    wait_until(lambda: service.client().get("/livez").status == 200, 10, "the service answers again")


def seconds_between(service: ServiceProcess, first: str, second: str) -> float:
    """By the service's own log, so without the time that a busy machine takes to end a process."""
    lines = [json.loads(line) for line in service.said().splitlines()]
    at = {line["message"]: datetime.fromisoformat(line["time"]) for line in lines}
    return (at[second] - at[first]).total_seconds()


def _send_and_reset(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        # A close that resets instead of ending in order.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        try:
            connection.sendall(sent)
        except OSError:
            return


def _established(port: int) -> bool:
    """Whether the kernel knows a connection of that server; state 01 in /proc/net/tcp."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)
