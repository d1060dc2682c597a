"""A real PgBouncer in front of a throw-away PostgreSQL, in transaction mode: what many a production has."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tests.support.postgres import PostgresServer, free_port
from tests.support.waiting import wait_until

PROGRAM = "/usr/sbin/pgbouncer"
USERS = ("postgres", "app", "fig", "owner")


@dataclass
class PgBouncer:
    """One pooler; every database and user of its server goes through."""

    server: PostgresServer
    parent: Path
    """Where its folder is made."""
    ignored: str = ""
    """Startup parameters that are dropped without a word (`ignore_startup_parameters`)."""
    mode: str = "transaction"
    pool_size: int = 2
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        return self.parent / f"bouncer-{self.port}"

    def __enter__(self) -> PgBouncer:
        self.folder.mkdir()
        (self.folder / "users").write_text("".join(f'"{user}" ""\n' for user in USERS))
        settings = {
            "listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "", "auth_type": "trust",
            "auth_file": self.folder / "users", "pool_mode": self.mode, "default_pool_size": self.pool_size,
            "ignore_startup_parameters": self.ignored, "logfile": self.folder / "log",
        }  # fmt: skip
        lines = [f"{name} = {value}" for name, value in settings.items()]
        databases = ["[databases]", f"* = host=127.0.0.1 port={self.server.port}"]
        (self.folder / "pgbouncer.ini").write_text("\n".join([*databases, "[pgbouncer]", *lines, ""]))
        user: dict[str, str] = {}
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
            user = {"user": "postgres", "group": "postgres"}
        self.process = subprocess.Popen(
            [PROGRAM, self.folder / "pgbouncer.ini"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **user,  # type: ignore[call-overload]
        )  # fmt: skip
        wait_until(self._answers, 10, f"PgBouncer answers; log: {self.folder / 'log'}")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def dsn(self, dsn: str) -> str:
        """The same database and user by way of the pooler."""
        return make_conninfo(dsn, port=self.port)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.dsn(self.server.dsn()), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
