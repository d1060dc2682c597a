"""Running processes by session, read from /proc: how a stack finds what is its own, never by name."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Running:
    """One process. Equal are only descriptions of the same one: parents die, and pids get new bearers."""

    pid: int
    parent: int = field(compare=False)
    group: int = field(compare=False)
    session: int = field(compare=False)
    started: int  # In clock ticks since boot.


def describe(pid: int) -> Running | None:
    """None when there is no such process (any more), zombies included: they hold nothing."""
    try:
        text = (Path("/proc") / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in brackets may hold anything; what follows the last bracket is plain.
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Running(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def of_session(session: int) -> list[Running]:
    """All processes of a session."""
    found = (describe(int(name)) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 (names only)
    return [process for process in found if process is not None and process.session == session]
