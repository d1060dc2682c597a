"""Services as processes of their own, started by the runner as they are in production."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.clients import Client
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

CATALOG = "extracted.catalog.service:CatalogService"
NO_BROKER = "amqp://guest:guest@127.0.0.1:1//"


@dataclass
class ServiceProcess:
    environment: Mapping[str, str]
    log: Path
    service: str = CATALOG
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    runner: str = "extracted.platform.run"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **headers: str) -> Client:
        """A client with a new connection for every request."""
        return Client(self.url, keep_alive=False, headers=headers)

    def start(self) -> ServiceProcess:
        self.spawn()
        wait_until(self.is_ready, 30, f"{self.service} is ready; log: {self.log}")
        return self

    def spawn(self) -> None:
        command = [sys.executable, "-m", self.runner, self.service, "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.options],
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **self.environment},
                stdout=log,
                stderr=log,
            )

    def is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended with {self.process.returncode}:\n{self.said()}")
        return self.client().get("/readyz").status == 200

    def said(self) -> str:
        return self.log.read_text()

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def seconds_to_stop(self, patience: float = 30) -> float:
        """SIGTERM, and how long the process took to end with code 0."""
        assert self.process is not None
        started = time.monotonic()
        self.send(signal.SIGTERM)
        code = self.process.wait(patience)
        assert code == 0, f"exit code {code}:\n{self.said()}"
        return time.monotonic() - started

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
