"""Is a process ready to be used? One short look, never a wait."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Mapping

import httpx
import psycopg

from migration_plan.local import kafka_node
from migration_plan.local.stack import Health

_PATIENCE = 2.0
_AMQP_HELLO = b"AMQP\x00\x00\x09\x01"


def look(health: Health, environment: Mapping[str, str]) -> str:
    """'' when healthy, else the reason in a few words."""
    try:
        if health.http:
            return _http(health.http)
        if health.tcp:
            with _connect(health.tcp):
                return ""
        if health.amqp:
            return _amqp(health.amqp)
        if health.kafka:
            return "" if kafka_node.members(health.kafka) else "the broker is not ready yet"
        if health.postgres:
            psycopg.connect(health.postgres, connect_timeout=2).close()
            return ""
        return _command(health.command, environment)
    except (OSError, httpx.HTTPError, psycopg.Error, subprocess.TimeoutExpired) as error:
        lines = str(error).strip().splitlines()
        return lines[-1] if lines else type(error).__name__


def _http(url: str) -> str:
    # No proxy of the person's environment may stand between.
    answer = httpx.get(url, timeout=_PATIENCE, trust_env=False)
    return "" if answer.is_success else f"{url} answers {answer.status_code}"


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=_PATIENCE)


def _amqp(address: str) -> str:
    with contextlib.closing(_connect(address)) as connection:
        connection.sendall(_AMQP_HELLO)
        return "" if connection.recv(1) else "the port is open, but no broker answers"


def _command(command: tuple[str, ...], environment: Mapping[str, str]) -> str:
    ended = subprocess.run(
        command, env={**os.environ, **environment}, timeout=10, capture_output=True, text=True, check=False
    )
    said = (ended.stderr or ended.stdout).strip().splitlines()
    return "" if ended.returncode == 0 else (said[-1] if said else f"exit code {ended.returncode}")
