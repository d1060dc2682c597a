"""Traffic for a rehearsal: reads that the live proxies have logged, again and again, and the plan's own command."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from migration_plan.errors import FigError
from migration_plan.local import mortal

MOST = 5000  # Of the newest reads.
READERS = 4
PAUSE = 0.02  # Seconds between two reads of one reader.
PATIENCE = 30.0


@dataclass
class Traffic:
    """What is under way; counted while it goes on."""

    url: str
    reads: Sequence[str]
    broken: int = 0
    exit_code: int | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _read(self, paths: Iterator[str]) -> None:
        with httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False, follow_redirects=False) as client:
            while not self._stop.wait(PAUSE):
                with self._lock:
                    path = next(paths)
                try:
                    client.get(path)
                except httpx.TransportError:
                    with self._lock:
                        self.broken += 1

    @contextmanager
    def flowing(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[None]:
        """Both kinds until the block ends; how the command ended is known afterwards."""
        paths = itertools.cycle(self.reads)
        readers = [threading.Thread(target=self._read, args=(paths,)) for _ in range(READERS if self.reads else 0)]
        process = _start(command, environment, folder) if command else None
        for reader in readers:
            reader.start()
        try:
            yield
        finally:
            self._stop.set()
            for reader in readers:
                reader.join()
            self.exit_code = _end(process)


def recorded(lines: Iterable[str]) -> list[str]:
    """Paths of the newest reads in an access log that a person has been given an answer to."""
    paths: deque[str] = deque(maxlen=MOST)
    for line in lines:
        try:
            said = json.loads(line)
            is_read = said["method"] == "GET" and said["listener"] == "public" and 200 <= int(said["status"]) < 400
        except (ValueError, KeyError, TypeError):
            continue  # The line that is being written.
        if is_read and str(said["path"]).startswith("/"):
            paths.append(str(said["path"]))
    return list(paths)


def recorded_by(folders: Iterable[Path]) -> list[str]:
    """Of all live proxies whose folders are on this machine."""
    found: list[str] = []
    for folder in folders:
        log = folder / "access.json"
        if log.is_file():
            with log.open(encoding="utf-8", errors="replace") as lines:
                found += recorded(lines)
    return found[-MOST:]


def _start(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=mortal.with_us(),
        )  # fmt: skip
    except OSError as error:
        raise FigError(
            f"the traffic command {command[0]}: {error.strerror}", "correct rehearsal.traffic in fig.yml"
        ) from error


def _end(process: subprocess.Popen[bytes] | None) -> int | None:
    if process is None:
        return None
    if process.poll() is not None:
        return process.returncode or 1  # It should have gone on until it was told to stop.
    process.terminate()
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    return 0 if code == -15 else code
