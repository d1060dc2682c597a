"""The worker processes of an nginx, as the machine knows them."""

from __future__ import annotations

from pathlib import Path


def workers(master: int) -> dict[int, str]:
    """The living workers of this master with their titles, which say whether they still accept requests."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == master and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended while we looked.
    # The watchdog is the master's child, too.
    return {pid: title for pid, title in found.items() if title.startswith("nginx:")}
