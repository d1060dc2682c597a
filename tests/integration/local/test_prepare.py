"""What `fig up` makes ready by itself, made ready in servers that others run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import PostgresServer

STACK = """
keys: [identity]
processes:
  pg:
    ports: {pg: 1}
    postgres: {databases: {shop: {owner: prepared_owner, application: prepared_app, fig: prepared_fig}}}
"""
PASSWORDS = {f"SECRET_PREPARED_{role}": f"of-{role.lower()}" for role in ("OWNER", "APP", "FIG")}


def _prepare(folder: Path, *servers: str, **secrets: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FIG_STACK": str(folder / "stack.yml"), "FIG_STATE": str(folder), **secrets}
    return subprocess.run(
        [sys.executable, "-m", "migration_plan.local.prepare", *servers],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stack.yml").write_text(STACK, encoding="utf-8")
    return tmp_path


def test_databases_roles_and_keys_are_there_afterwards_and_a_second_time_keeps_them(
    services_server: PostgresServer, folder: Path
) -> None:
    server = f"pg=127.0.0.1:{services_server.port}"
    secrets = {"SECRET_POSTGRES": "whatever", **PASSWORDS}
    keys = []
    for _ in range(2):
        done = _prepare(folder, server, **secrets)
        assert done.returncode == 0, done.stderr
        keys.append((folder / "keys/identity.pem").read_text(encoding="utf-8"))
    assert keys[0] == keys[1]
    dsn = f"postgresql://prepared_app:of-app@127.0.0.1:{services_server.port}/shop"
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select current_user").fetchone() == ("prepared_app",)


def test_what_is_missing_is_named_and_nothing_is_made(folder: Path) -> None:
    done = _prepare(folder, "pg=127.0.0.1:1", SECRET_POSTGRES="x", SECRET_PREPARED_APP="y")
    assert done.returncode != 0
    assert "SECRET_PREPARED_FIG, SECRET_PREPARED_OWNER" in done.stderr
    done = _prepare(folder, "other=127.0.0.1:1", SECRET_POSTGRES="x", **PASSWORDS)
    assert "has the servers pg; given were: other" in done.stderr
    assert not (folder / "keys").exists()
