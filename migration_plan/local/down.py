"""`fig down`: everything ended in order, then proof that nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from migration_plan.local import folder, processes, supervise
from migration_plan.local.errors import FolderRefused, StillRunning, SupervisorFailed
from migration_plan.local.supervise import Supervisor

Say = Callable[[str, str], None]
_PATIENCE = 20.0  # A little more than supervisord's own stopwaitsecs, after which it kills.


def down(state: Path, say: Say) -> None:
    """Stop the stack of this folder, whatever state it is in. A stack that does not run is no error."""
    supervisor = Supervisor(state)
    try:
        if supervisor.answers(within=0):
            _stop_programs(supervisor, say)
            supervisor.call("shutdown")
    except SupervisorFailed as error:
        say("stack", f"{error}: everything is ended without it")
    end_leftovers(state, say)
    for name in ("supervisor.sock", "session.json", "supervisord.pid"):
        (state / name).unlink(missing_ok=True)


def _stop_programs(supervisor: Supervisor, say: Say) -> None:
    """Applications first, all at once; then the servers that they use."""
    groups: dict[bool, list[str]] = {False: [], True: []}
    for name in supervisor.all_info():
        groups[_is_server(supervisor.state, name)].append(name)
    for names in (groups[False], groups[True]):
        _stop_together(supervisor, names, say)


def _stop_together(supervisor: Supervisor, names: list[str], say: Say) -> None:
    began = time.monotonic()
    for name in names:
        supervisor.stop_program(name)
    left = set(names)
    while left:
        # Each question also makes supervisord look after its children at once.
        running = {name for name, info in supervisor.all_info().items() if info["pid"]}
        for name in sorted(left - running):
            say(name, f"stopped after {time.monotonic() - began:.1f} s")
        left &= running
        if left and time.monotonic() - began > _PATIENCE:
            raise SupervisorFailed(f"these do not stop: {', '.join(sorted(left))}", "fig down, once more")
        time.sleep(0.03)


def _is_server(state: Path, name: str) -> bool:
    """PostgreSQL and RabbitMQ have a folder of their own, and others need them to the end."""
    return (state / name.removesuffix("-epmd")).is_dir() and any(
        (state / name.removesuffix("-epmd") / part).exists() for part in ("data", "mnesia")
    )


def end_leftovers(state: Path, say: Say) -> None:
    """End what still belongs to the stack's session: TERM, then KILL; StillRunning when even that fails."""
    session = supervise.session(state)
    if session is None:
        return
    for sent, patience in ((None, 3.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        left = processes.of_session(session)
        if sent is not None and left:
            say("stack", f"ends {len(left)} process(es) that were left over: {[p.pid for p in left]}")
            for process in left:
                _send(process, sent)
        deadline = time.monotonic() + patience
        while processes.of_session(session):
            # supervisord itself takes a moment to go; what is left after it will not go by itself.
            if time.monotonic() > deadline or (sent is None and processes.describe(session) is None):
                break
            time.sleep(0.03)
        else:
            return
    raise StillRunning([process.pid for process in processes.of_session(session)])


def _send(process: processes.Running, sent: signal.Signals) -> None:
    if processes.describe(process.pid) == process:
        try:
            os.kill(process.pid, sent)
        except ProcessLookupError:
            return  # It ended by itself meanwhile, which is what was wanted.


def wipe(state: Path) -> None:
    """Remove the state of a stopped stack; a folder that is none of ours is refused."""
    if not state.exists():
        return
    if not (state / folder.MARK).exists():
        raise FolderRefused(state, "holds no stack and is not removed")
    for one in state.iterdir():
        # Its mark goes last: what a death leaves must be known as ours.
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        elif one.name != folder.MARK:
            one.unlink()
    shutil.rmtree(state)
