"""A private local stack for tests: its own folder and ports, real processes, and ways to hurt them."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from migration_plan.local import ports, processes
from migration_plan.local.errors import StackNotRunning
from migration_plan.local.site import Place, open_site
from migration_plan.local.status import ProcessStatus, status
from tests.support import places
from tests.support.waiting import wait_until

PROJECT = Path(__file__).parents[2]
_HIGHEST_OFFSET = 66


def free_port_base() -> int:
    """A base whose ports nobody listens on, below the range of outgoing connections."""
    for _ in range(100):
        base = random.randrange(12000, 31000, 100)
        if all(ports.is_free(base + offset) for offset in range(_HIGHEST_OFFSET)):
            return base
    raise RuntimeError("no 66 free ports in a row between 12000 and 31000")


class Stack:
    """One stack. Its processes are told apart by their own pids, never by name."""

    def __init__(self, folder: Path, file: Path | None = None, extra: Mapping[str, str] | None = None) -> None:
        self.state = folder / "s"
        self.base = free_port_base()
        self.file = file or PROJECT / "stack.yml"
        self.asked_for: set[str] = set()
        """Processes that are meant to run; empty: all of the stack file."""
        # Nothing of another stack that this shell may have been set up for.
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("FIG_", "PORT_"))}
        self._outer = {
            **outer,
            **(extra or {}),
            # The suites run by themselves here; a gate that waits for them would run them for each stack.
            "FIG_CONTRACT_AGE": "never",
            "FIG_STATE": str(self.state),
            "FIG_PORT_BASE": str(self.base),
            "FIG_STACK": str(self.file),
        }

    @property
    def env(self) -> dict[str, str]:
        """The environment for commands and clients of this stack."""
        saved = self.state / "env.json"
        own: dict[str, str] = json.loads(saved.read_text(encoding="utf-8")) if saved.exists() else {}
        return {**self._outer, **own}

    def fig(
        self, *arguments: str, timeout: float = 180, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `fig` for this stack and return whatever comes of it; `environment` is added for this once."""
        program = Path(sys.executable).parent / "fig"
        return subprocess.run(
            [program, *arguments], cwd=PROJECT, env={**self.env, **(environment or {})}, text=True, timeout=timeout,
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip

    def up(self, *names: str) -> None:
        done = self.fig("up", *names)
        assert done.returncode == 0, f"fig up:\n{done.stdout}{done.stderr}"

    def down(self) -> None:
        done = self.fig("down")
        assert done.returncode == 0, f"fig down:\n{done.stdout}{done.stderr}"

    def status(self) -> dict[str, ProcessStatus]:
        """What `fig status` shows, by process; {} when the stack does not run."""
        try:
            return {one.name: one for one in status(open_site(Place.of(self.env), self.env, make=False))}
        except StackNotRunning:
            return {}

    @property
    def ports(self) -> dict[str, int]:
        """All ports by their names in the stack file."""
        return {name: port for one in self.status().values() for name, port in one.ports.items()}

    def pid(self, name: str) -> int:
        """The pid that the supervisor knows now; it may end at any moment."""
        pid = self.status()[name].pid
        assert pid is not None, f"{name} does not run"
        return pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL, *, whole: bool = True) -> int:
        """Send a signal to a process and its workers (or with whole=False to it alone); returns its pid."""
        pid = self.pid(name)
        if whole:
            os.killpg(pid, number)  # The supervisor makes each process the leader of its own group.
        else:
            os.kill(pid, number)
        return pid

    def stop(self, name: str) -> int:
        """Freeze it: it holds its locks and connections, and answers nothing."""
        return self.kill(name, signal.SIGSTOP)

    def cont(self, name: str) -> int:
        return self.kill(name, signal.SIGCONT)

    def wait_until_healthy(self, *names: str, seconds: float = 180) -> None:
        """All of the named processes (or of the whole stack) answer their health checks."""

        def well() -> bool:
            status = self.status()
            return bool(status) and all(status[name].well for name in names or self.asked_for or status)

        wait_until(well, seconds, f"{', '.join(names) or 'the stack'} healthy in {self.state}", every=0.1)

    def wait_until_back(self, name: str, former_pid: int, seconds: float = 180) -> None:
        """Another process than `former_pid` bears the name and is healthy."""

        def back() -> bool:
            one = self.status()[name]
            return one.pid not in (None, former_pid) and one.well

        wait_until(back, seconds, f"{name} back after pid {former_pid} in {self.state}", every=0.1)

    def session(self) -> int:
        """The session of all processes of the stack."""
        return int(json.loads((self.state / "session.json").read_text(encoding="utf-8"))["session"])

    def collect(self, into: Path) -> None:
        """Keep what a red test needs: logs, rendered configuration, status. No secrets, no databases."""
        into.mkdir(parents=True, exist_ok=True)
        for name in ("logs", "nginx/conf", "nginx/routes"):
            if (self.state / name).is_dir():
                shutil.copytree(self.state / name, into / name, dirs_exist_ok=True)
        for log in (self.state / "nginx").glob("*.log"):
            shutil.copy(log, into / "nginx")
        shown = [one.as_json() for one in self.status().values()]
        (into / "status.json").write_text(json.dumps(shown, indent=1), encoding="utf-8")


@contextmanager
def private_stack(file: Path | None = None, extra: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """A stack that is not up yet, and that is gone afterwards whatever happened."""
    folder = places.server_folder("fig-stack-")
    stack = Stack(folder, file, extra)
    try:
        yield stack
    finally:
        # Frozen processes cannot end by themselves.
        if (stack.state / "session.json").exists():
            for process in processes.of_session(stack.session()):
                os.kill(process.pid, signal.SIGCONT)
        if stack.state.exists():
            done = stack.fig("down", "--wipe")
            # A folder is kept as long as something may run in it: it is the way to end that.
            assert done.returncode == 0, f"fig down:\n{done.stdout}{done.stderr}"
        shutil.rmtree(folder)


CATALOG_ONLY = ("rabbitmq", "nginx", "streams", "controller", "monolith-jobs")
"""The spine: the monolith and the catalog service. Starting the others takes most of a minute of processor time."""


def running_stack(extra: Mapping[str, str] | None = None, *names: str) -> Iterator[Stack]:
    """For fixtures: the sample's stack, or the processes `names` and what they need, up and healthy; what it said
    is kept if it does not come up."""
    with private_stack(extra=extra) as stack:
        done = stack.fig("up", *names)
        if done.returncode != 0:
            stack.collect(evidence_folder("up"))
            raise RuntimeError(f"fig up:\n{done.stdout}{done.stderr}\nevidence: {evidence_folder('up')}")
        stack.asked_for = {name for name, one in stack.status().items() if one.pid}
        yield stack


def evidence_folder(test: str) -> Path:
    """Where the evidence of a red test is kept."""
    name = "".join(letter if letter.isalnum() else "-" for letter in test)[-100:].strip("-")
    return PROJECT / "var" / "evidence" / name
