"""A private RabbitMQ on loopback, unprivileged, with its own name server (epmd), which outlives it."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.postgres import free_port
from tests.support.waiting import wait_until

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"

CONFIGURATION = """
listeners.tcp.1 = 127.0.0.1:{port}
distribution.listener.interface = 127.0.0.1
distribution.listener.port_range.min = {distribution}
distribution.listener.port_range.max = {distribution}
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
"""


@dataclass
class RabbitServer:
    folder: Path
    port: int = field(default_factory=free_port)
    distribution: int = field(default_factory=free_port)
    epmd: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        for name in ("home", "mnesia", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port, distribution=self.distribution))
        (self.folder / "enabled_plugins").write_text("[].")
        cookie = self.folder / "home" / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text("figtestscookie")
            cookie.chmod(0o400)
        self._give_away()
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [PROGRAM], env=self._environment(), stdout=output, stderr=output, cwd=self.folder,
                start_new_session=True, **self._unprivileged(),
            )  # fmt: skip
        wait_until(self.answers, 60, f"RabbitMQ answers; log: {self.folder / 'output'}", every=0.1)

    def answers(self) -> bool:
        """The port is open before the broker is ready; a broker that is says something to the protocol header."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"AMQP\0\0\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def send(self, number: signal.Signals) -> None:
        """To the whole process group: a shell and the Erlang machine."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            self.process.wait(30)
        self.process = None
        subprocess.run(["epmd", "-kill"], env=self._environment(), stdout=subprocess.DEVNULL, check=False)

    def _environment(self) -> dict[str, str]:
        own = {name: str(self.folder / path) for name, path in PATHS.items()}
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"fig{self.port}@localhost",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "ERL_EPMD_PORT": str(self.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
            **own,
        }

    def _unprivileged(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        nobody = pwd.getpwnam("nobody")
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def _give_away(self) -> None:
        if owner := self._unprivileged():
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, owner["user"], owner["group"])


PATHS = {
    "HOME": "home",
    "RABBITMQ_MNESIA_BASE": "mnesia",
    "RABBITMQ_LOG_BASE": "log",
    "RABBITMQ_CONFIG_FILE": "rabbitmq.conf",
    "RABBITMQ_ENABLED_PLUGINS_FILE": "enabled_plugins",
    "RABBITMQ_PID_FILE": "pid",
}
