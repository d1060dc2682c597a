"""The first moment of a supervised process: `python -m migration_plan.local.start NAME [--user USER] -- COMMAND…`.

Ends what a killed predecessor left behind (nginx's workers outlive their master and keep its ports), gives up
root, and becomes the command. Standard library only, because every start of every process waits for it.
"""

from __future__ import annotations

import os
import pwd
import signal
import sys
import time
from pathlib import Path

from migration_plan.local import processes


def is_starting(pid: int) -> bool:
    """Is this process still here and not yet the command that it will become?"""
    try:
        words = (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return b"migration_plan.local.start" in words


def end_predecessor(name: str, run: Path) -> None:
    """Kill what is left of the process group that bore this name before, if it is of our own session."""
    record = run / f"{name}.group"
    mine = processes.describe(os.getpid())
    if record.exists() and mine is not None:
        former = int(record.read_text(encoding="utf-8") or 0)
        # The supervisor makes each process the leader of a group of its own, all of them in its session.
        left = [p for p in processes.of_session(mine.session) if p.group == former and p.group != mine.group]
        for process in left:
            os.kill(process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while any(processes.describe(process.pid) for process in left) and time.monotonic() < deadline:
            time.sleep(0.01)
    record.write_text(str(os.getpgrp()), encoding="utf-8")


def give_up_root(user: str | None) -> None:
    """Become `user` for good; when not started by root there is nothing to give up."""
    if user is None or os.geteuid() != 0:
        return
    account = pwd.getpwnam(user)
    os.initgroups(user, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def main(arguments: list[str]) -> None:
    own, command = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    end_predecessor(own[0], Path(os.environ["FIG_STATE"]) / "run")
    give_up_root(own[own.index("--user") + 1] if "--user" in own else None)
    try:
        os.execvp(command[0], command)  # noqa: S606 (the stack file's own command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
