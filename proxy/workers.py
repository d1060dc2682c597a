"""The worker processes of an nginx, as the machine knows them."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")


def workers(master: int) -> dict[int, str]:
    """The living workers of this master with their titles, which say whether they still accept requests."""
    found = {}
    for pid in _children(master):
        try:
            state, parent = (PROC / pid / "stat").read_text().rpartition(")")[2].split()[:2]
            title = (PROC / pid / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended while we looked.
        # The watchdog is the master's child, too.
        if int(parent) == master and state != "Z" and title.startswith("nginx:"):
            found[int(pid)] = title
    return found


def _children(master: int) -> list[str]:
    """At least the children of this process; where the kernel keeps no list of them, all processes."""
    try:
        return (PROC / str(master) / "task" / str(master) / "children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return [folder.name for folder in PROC.glob("[0-9]*")]
