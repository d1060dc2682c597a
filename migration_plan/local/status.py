"""`fig status`: every process of the stack, as the supervisor and its health check see it now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from migration_plan.local import health, supervise
from migration_plan.local.errors import StackNotRunning
from migration_plan.local.site import Site
from migration_plan.local.supervise import Supervisor
from migration_plan.local.up import health_of


@dataclass(frozen=True)
class ProcessStatus:
    """One process. `health` is 'ok', or the reason why it is not."""

    name: str
    pid: int | None
    ports: dict[str, int]
    state: str
    health: str
    uptime: int
    url: str = ""

    @property
    def well(self) -> bool:
        return self.health == "ok"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def status(site: Site) -> list[ProcessStatus]:
    """All processes, their health looked at side by side."""
    supervisor = Supervisor(site.state)
    if not supervisor.answers():
        raise StackNotRunning(site.state)
    info = supervisor.all_info()
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda program: _status(site, program, info.get(program.name)), supervise.programs(site)))


def _status(site: Site, program: supervise.Program, info: dict[str, Any] | None) -> ProcessStatus:
    process = site.stack.processes[program.process]
    own = program.name == program.process  # A broker's port mapper has no check and no ports to show of its own.
    ports = {name: site.port(offset) for name, offset in process.ports.items()} if own else {}
    url = process.url if own else ""
    if info is None or not info["pid"]:
        return ProcessStatus(
            program.name, None, ports, info["statename"] if info else "UNKNOWN", "does not run", 0, url
        )
    check = health_of(site, program.name, process) if own else None
    reason = health.look(check, site.environment) if check else ""
    return ProcessStatus(
        program.name,
        info["pid"],
        ports,
        info["statename"],
        reason or "ok",
        max(0, info["now"] - info["start"]),
        url,
    )
