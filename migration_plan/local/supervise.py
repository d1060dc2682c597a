"""supervisord as the keeper of the stack's processes: its configuration, its start, its XML-RPC."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migration_plan.local import mortal, processes, rabbitmq
from migration_plan.local.errors import SupervisorFailed
from migration_plan.local.site import Site
from migration_plan.local.stack import Process

_MODULE = (sys.executable, "-m")


@dataclass(frozen=True)
class Program:
    """One section of supervisord's configuration."""

    name: str
    process: str  # The stack's name for it; a broker is two programs.
    command: tuple[str, ...]
    stop_signal: str = "TERM"


def programs(site: Site) -> list[Program]:
    """What supervisord runs, in the stack file's order."""
    return [program for name, process in site.stack.processes.items() for program in _programs(site, name, process)]


def _programs(site: Site, name: str, process: Process) -> list[Program]:
    ports = [str(site.port(offset)) for offset in process.ports.values()]
    folder = str(site.state / name)
    if process.postgres:
        settings = tuple(f"{key}={value}" for key, value in process.postgres.settings.items())
        command = (*_MODULE, "migration_plan.local.postgres", folder, ports[0], *settings)
        return [Program(name, name, command, stop_signal="INT")]  # INT is the fast stop, TERM waits for clients.
    if process.rabbitmq:
        command = (*_MODULE, "migration_plan.local.rabbitmq", folder, *ports, process.rabbitmq.account)
        epmd = _started(f"{name}-epmd", rabbitmq.epmd_command(int(ports[2])), rabbitmq.USER)
        return [Program(f"{name}-epmd", name, epmd), Program(name, name, command)]
    if process.kafka:
        command = (*_MODULE, "migration_plan.local.kafka", folder, *ports, str(process.kafka.heap))
        return [Program(name, name, command)]
    own = ("env", *(f"{key}={value}" for key, value in process.environment.items())) if process.environment else ()
    return [Program(name, name, _started(name, (*own, *process.command), process.user), process.stop_signal)]


def _started(name: str, command: tuple[str, ...], user: str | None) -> tuple[str, ...]:
    return (*_MODULE, "migration_plan.local.start", name, *(("--user", user) if user else ()), "--", *command)


def _quoted(value: str) -> str:
    """As supervisord's parser wants it: shell-like words, and % doubled."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def configuration(site: Site) -> str:
    """The text of supervisord.conf."""
    state = site.state
    lines = [
        "[supervisord]", f"logfile={state}/logs/supervisord.log", f"pidfile={state}/supervisord.pid",
        "logfile_maxbytes=5MB", f"directory={site.root}", f"childlogdir={state}/logs", "minfds=1024",
        *(["user=root"] if os.geteuid() == 0 else []),
        "[unix_http_server]", f"file={state}/supervisor.sock", "chmod=0700",
        "[rpcinterface:supervisor]", "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]  # fmt: skip
    for program in programs(site):
        lines += [
            f"[program:{program.name}]", "command=" + " ".join(map(_quoted, program.command)),
            "autostart=false", "autorestart=true", "startsecs=1", "startretries=1000000",
            f"stopsignal={program.stop_signal}", "stopwaitsecs=15", "stopasgroup=true", "killasgroup=true",
            f"stdout_logfile={state}/logs/{program.name}.log", "redirect_stderr=true",
            "stdout_logfile_maxbytes=20MB", "stdout_logfile_backups=1",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket; a supervisor that is frozen must not freeze who asks."""

    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: tuple[str, dict[str, str]] | str) -> http.client.HTTPConnection:
        connection = _Connection(self._path)
        self._connection = host, connection  # What `close` closes.
        return connection


class Supervisor:
    """The running supervisord of a state folder, over its socket."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._socket = state / "supervisor.sock"

    def call(self, method: str, *arguments: object) -> Any:
        transport = _Transport(self._socket)
        try:
            proxy = xmlrpc.client.ServerProxy("http://supervisor", transport=transport)
            return getattr(proxy, f"supervisor.{method}")(*arguments)
        except (OSError, http.client.HTTPException) as error:
            raise SupervisorFailed(f"the supervisor in {self.state} does not answer: {error}", "fig down") from error
        finally:
            transport.close()

    def answers(self, within: float = 15.0) -> bool:
        """Does it run? One that runs and stays silent is an error: it must not be taken for dead."""
        deadline = time.monotonic() + within
        while leader(self.state) is not None:
            try:
                self.call("getPID")
                return True
            except (SupervisorFailed, xmlrpc.client.Fault):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.02)
        return False

    def all_info(self) -> dict[str, dict[str, Any]]:
        """What supervisord knows of each program."""
        return {info["name"]: info for info in self.call("getAllProcessInfo")}

    def start_program(self, name: str) -> None:
        try:
            self.call("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise SupervisorFailed(f"{name} cannot be started: {fault.faultString}", f"fig logs {name}") from fault

    def stop_program(self, name: str) -> None:
        try:
            self.call("stopProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise SupervisorFailed(f"{name} cannot be stopped: {fault.faultString}", f"fig logs {name}") from fault


def session(state: Path) -> int | None:
    """The session that all processes of the stack belong to; None when there is none any more."""
    record = state / "session.json"
    if not record.exists():
        return None
    recorded = json.loads(record.read_text(encoding="utf-8"))
    found = processes.describe(recorded["session"])
    if recorded["boot"] != _boot() or (found is not None and found.started != recorded["started"]):
        return None  # The number is somebody else's by now.
    return int(recorded["session"])


def leader(state: Path) -> processes.Running | None:
    """supervisord itself, while it lives."""
    number = session(state)
    return processes.describe(number) if number is not None else None


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def launch(site: Site) -> Supervisor:
    """Start supervisord for this site, in a session of its own, so that it outlives the command."""
    said = site.state / "logs" / "supervisord.start.log"
    with said.open("wb") as log:
        started = subprocess.Popen(
            [*_MODULE, "supervisor.supervisord", "--nodaemon", "--silent", "-c", site.state / "supervisord.conf"],
            cwd=site.root, env={**os.environ, **site.environment}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=mortal.with_us() if site.mortal else None,
        )  # fmt: skip
    found = processes.describe(started.pid)
    record = {"session": started.pid, "started": found.started if found else 0, "boot": _boot()}
    # Before it starts anything, so that all of it will be found again.
    (site.state / "session.json").write_text(json.dumps(record), encoding="utf-8")
    supervisor = Supervisor(site.state)
    if not supervisor.answers():
        lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise SupervisorFailed(f"supervisord did not start: {' '.join(lines[-3:])}", f"cat {said}")
    return supervisor
