"""`fig stop NAME …`: some processes of the stack stay down until the next `fig up`; the others feel nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from migration_plan.local import supervise
from migration_plan.local.errors import ProcessUnhealthy, ProcessUnknown, StackNotRunning
from migration_plan.local.site import Site
from migration_plan.local.supervise import Supervisor
from migration_plan.local.up import last_lines

PATIENCE = 25.0
"""Seconds; supervisord itself kills what does not end within 15."""


def stop(site: Site, names: Sequence[str], say: Callable[[str, str], None]) -> None:
    """Return when none of the named processes runs any more. Unknown names stop nothing."""
    if unknown := [name for name in names if name not in site.stack.processes]:
        raise ProcessUnknown(unknown, list(site.stack.processes))
    supervisor = Supervisor(site.state)
    if not supervisor.answers():
        raise StackNotRunning(site.state)
    programs = [program for program in supervise.programs(site) if program.process in names]
    for program in programs:
        supervisor.stop_program(program.name)
    deadline = time.monotonic() + PATIENCE
    for program in programs:
        while supervisor.call("getProcessInfo", program.name)["pid"]:
            if time.monotonic() > deadline:
                lines = last_lines(site.state / "logs" / f"{program.name}.log")
                raise ProcessUnhealthy(program.name, "does not stop", lines)
            time.sleep(0.05)
        say(program.name, "stopped")
