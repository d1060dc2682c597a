"""`fig logs`: the last lines of each process, and then whatever comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.local.up import last_lines


class NoSuchLog(FigError):
    """There is no process or step of this name that has ever run here."""

    code = "no-such-log"
    exit_code = Exit.PROCESS_UNKNOWN


def find(state: Path, name: str | None) -> dict[str, Path]:
    """The logs asked for, by name; all of them when none is named."""
    logs = {path.stem: path for path in sorted((state / "logs").glob("*.log"))}
    if name is None:
        return logs
    if name not in logs:
        known = ", ".join(logs) or "none yet"
        raise NoSuchLog(f'there is no log of "{name}"; there are: {known}', "fig status")
    return {name: logs[name]}


def tail(logs: dict[str, Path], count: int) -> Iterator[tuple[str, str]]:
    """(name, line) of the last lines of each log."""
    for name, path in logs.items():
        for line in last_lines(path, count):
            yield name, line


def follow(logs: dict[str, Path], every: float = 0.2) -> Iterator[tuple[str, str]]:
    """(name, line) of what is written from now on; rotated files are begun anew. Ends with Ctrl-C only."""
    seen = {name: path.stat().st_size for name, path in logs.items()}
    while True:
        for name, path in logs.items():
            size = path.stat().st_size if path.exists() else 0
            if size < seen[name]:
                seen[name] = 0
            if size > seen[name]:
                with path.open("rb") as log:
                    log.seek(seen[name])
                    complete = log.read(size - seen[name]).rpartition(b"\n")[0]
                if complete:
                    seen[name] += len(complete) + 1
                    for line in complete.decode("utf-8", "replace").split("\n"):
                        yield name, line
        time.sleep(every)
