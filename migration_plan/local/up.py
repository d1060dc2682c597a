"""`fig up`: everything started in the order of its needs, each waited for by its own health check."""

from __future__ import annotations

import os
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from migration_plan.local import (
    down,
    folder,
    health,
    kafka_node,
    mortal,
    ports,
    postgres,
    rabbitmq,
    roles,
    start,
    supervise,
)
from migration_plan.local.errors import ProcessUnhealthy, ProcessUnknown, StepFailed
from migration_plan.local.site import Site, saved_environment
from migration_plan.local.stack import Health, Process, Step
from migration_plan.local.supervise import Supervisor

Say = Callable[[str, str], None]  # (name, what is the case with it)
_A_WHILE = 1.0
_ENOUGH_ENDS = 3  # A process that ended so often during its start will not become healthy.


def up(site: Site, say: Say, names: Sequence[str] = ()) -> None:
    """Bring up what is not up yet: everything, or the processes `names` and what they come after.

    Returns when all of it is healthy; raises with the log's last lines otherwise. Unknown names start nothing.
    """
    items = needed(site.stack.items(), names)
    check_installed(site)
    supervisor = Supervisor(site.state)
    if supervisor.answers() and not _same_configuration(site):
        say("stack", "its settings have changed: starting anew")
        down.down(site.state, say)
    if not supervisor.answers():
        down.end_leftovers(site.state, say)
        ports.check(site, running=set())
        site.save_environment()
        folder.write_private(site.state / "supervisord.conf", supervise.configuration(site))
        supervisor = supervise.launch(site)
    else:
        ports.check(site, _running(supervisor))
    _Start(site, supervisor, say, items).run()


def needed(items: Mapping[str, Process | Step], names: Sequence[str]) -> dict[str, Process | Step]:
    """The named ones with all that comes before them, in the file's order; all, if none is named."""
    if unknown := [name for name in names if name not in items]:
        raise ProcessUnknown(unknown, list(items))
    wanted: set[str] = set()
    coming = deque(names or items)
    while coming:
        name = coming.popleft()
        if name not in wanted:
            wanted.add(name)
            coming.extend(items[name].after)
    return {name: item for name, item in items.items() if name in wanted}


def check_installed(site: Site) -> None:
    kinds = site.stack.processes.values()
    if any(process.postgres for process in kinds):
        postgres.programs()
    if any(process.rabbitmq for process in kinds):
        rabbitmq.check_installed()
    if any(process.kafka for process in kinds):
        kafka_node.check_installed()


def _same_configuration(site: Site) -> bool:
    conf = site.state / "supervisord.conf"
    if not conf.exists() or saved_environment(site.state) != site.environment:
        return False
    return conf.read_text(encoding="utf-8") == supervise.configuration(site)


def _running(supervisor: Supervisor) -> set[str]:
    return {name for name, info in supervisor.all_info().items() if info["pid"]}


def last_lines(log: Path, count: int = 15) -> list[str]:
    """The end of a log; [] when there is none."""
    if not log.exists():
        return []
    with log.open(encoding="utf-8", errors="replace") as lines:
        return [line.rstrip("\n") for line in deque(lines, maxlen=count)]


@dataclass
class _Pending:
    """A process or step on its way."""

    deadline: float
    began: float = field(default_factory=time.monotonic)
    child: subprocess.Popen[bytes] | None = None
    ends: set[int] = field(default_factory=set)
    reason: str = "has not answered yet"
    command: tuple[int, float] = (0, 0.0)  # Its pid, and since when it is the command and no more our starter.

    def lives(self, pid: int) -> bool:
        """Without a health check: has the command itself run for a while?"""
        if start.is_starting(pid):
            return False
        if self.command[0] != pid:
            self.command = (pid, time.monotonic())
        return time.monotonic() - self.command[1] >= _A_WHILE


class _Start:
    """One run of `fig up`: starts what is ready to start, looks after what is on its way, until all is done."""

    def __init__(self, site: Site, supervisor: Supervisor, say: Say, items: Mapping[str, Process | Step]) -> None:
        self.site = site
        self.supervisor = supervisor
        self.say = say
        self.items = items
        self.done: set[str] = set()
        self.pending: dict[str, _Pending] = {}

    def run(self) -> None:
        with self._children_ended():
            while len(self.done) < len(self.items):
                for name, item in self.items.items():
                    if name not in self.done and name not in self.pending and self.done.issuperset(item.after):
                        self._begin(name, item)
                progress = [self._look(name, pending) for name, pending in list(self.pending.items())]
                if not any(progress):
                    time.sleep(0.1)

    @contextmanager
    def _children_ended(self) -> Iterator[None]:
        """No step outlives the command, however it ends."""
        try:
            yield
        finally:
            for pending in self.pending.values():
                if pending.child is not None and pending.child.poll() is None:
                    pending.child.kill()
                    pending.child.wait()

    def _begin(self, name: str, item: Process | Step) -> None:
        if isinstance(item, Step):
            if item.once and (self.site.state / "done" / name).exists():
                self.say(name, "done before")
                self.done.add(name)
                return
            self.pending[name] = _Pending(time.monotonic() + item.within, child=self._run_step(name, item))
            return
        check = health_of(self.site, name, item)
        self.pending[name] = _Pending(time.monotonic() + (check.within if check else 120.0))
        for program in supervise.programs(self.site):
            if program.process == name:
                self.supervisor.start_program(program.name)

    def _run_step(self, name: str, step: Step) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.site.environment, **step.environment}
        with (self.site.state / "logs" / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                step.command,
                cwd=self.site.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=mortal.with_us() if self.site.mortal else None,
            )

    def _look(self, name: str, pending: _Pending) -> bool:
        """Is it done by now? Raises when it has failed or takes too long."""
        item = self.items[name]
        finished = self._step_ended(name, pending) if isinstance(item, Step) else self._healthy(name, item, pending)
        if finished:
            del self.pending[name]
            self.done.add(name)
            self.say(
                name,
                f"{'done' if isinstance(item, Step) else 'healthy'} after {time.monotonic() - pending.began:.1f} s",
            )
        elif time.monotonic() > pending.deadline:
            waited = time.monotonic() - pending.began
            self._fail(
                name,
                f"was not {'done' if isinstance(item, Step) else 'healthy'} within {waited:.0f} s: {pending.reason}",
            )
        return finished

    def _step_ended(self, name: str, pending: _Pending) -> bool:
        if pending.child is None or (code := pending.child.poll()) is None:
            pending.reason = "it still runs"
            return False
        if code != 0:
            self._fail(name, f"ended with exit code {code}")
        (self.site.state / "done" / name).touch()
        return True

    def _healthy(self, name: str, process: Process, pending: _Pending) -> bool:
        info = self.supervisor.call("getProcessInfo", name)
        if info["stop"] and info["statename"] in ("BACKOFF", "EXITED", "STARTING", "FATAL"):
            pending.ends |= {info["stop"]} if info["stop"] >= info["start"] else set()
            if len(pending.ends) >= _ENOUGH_ENDS:
                self._fail(name, f"ends again and again ({info['spawnerr'] or 'see its log'})")
        check = health_of(self.site, name, process)
        if not info["pid"]:
            return False
        if check is None:
            return pending.lives(info["pid"])
        pending.reason = health.look(check, self.site.environment)
        if pending.reason:
            return False
        if process.postgres:
            roles.prepare(admin_dsn(self.site, process), process.postgres.databases, self.site.secrets)
        return True

    def _fail(self, name: str, reason: str) -> None:
        lines = last_lines(self.site.state / "logs" / f"{name}.log")
        raise (StepFailed if name in self.site.stack.steps else ProcessUnhealthy)(name, reason, lines)


def admin_dsn(site: Site, process: Process) -> str:
    """The superuser of a PostgreSQL of the stack."""
    port = site.port(next(iter(process.ports.values())))
    return f"postgresql://postgres:{site.secrets['postgres']}@127.0.0.1:{port}/postgres"


def health_of(site: Site, name: str, process: Process) -> Health | None:
    """The check that the file names, or the one that the kind of process implies."""
    if process.health is not None:
        return process.health
    if process.postgres:
        return Health(postgres=admin_dsn(site, process))
    if process.rabbitmq:
        return Health(amqp=f"127.0.0.1:{site.port(next(iter(process.ports.values())))}")
    if process.kafka:
        return Health(kafka=f"127.0.0.1:{site.port(next(iter(process.ports.values())))}")
    return None
