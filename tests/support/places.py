"""Where the servers of tests keep their data: in memory where there is room.

What is killed there is a process, never the machine, so a file in memory outlives whatever a file on a disk would.
A database is made in 30 ms instead of several hundred, and removing a hundred thousand files takes no time.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")
DISK = Path("/var/tmp")
ROOM = 10 * 2**30
"""Bytes that have to be free in memory, there and at all: a whole run of the tests takes about as much."""


def server_folder(prefix: str) -> Path:
    """A new folder that server users (postgres) can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if _has_room() else DISK))
    folder.chmod(0o755)
    return folder


def _has_room() -> bool:
    if not MEMORY.is_dir():
        return False
    return min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) > ROOM
