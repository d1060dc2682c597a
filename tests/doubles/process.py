"""Starting a double from a test, and ending it with the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.doubles.control import Control
from tests.support.waiting import wait_until

_PROJECT = Path(__file__).parents[2]


@contextmanager
def running(
    name: str, port: int, log: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`tests.doubles.<name>` on `port`, answering; what it says goes to `log`."""
    command = [sys.executable, "-m", f"tests.doubles.{name}", "--port", str(port), *options]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=_PROJECT, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output,
        )  # fmt: skip
    try:
        control = Control(f"http://127.0.0.1:{port}")
        wait_until(lambda: control.is_alive() or process.poll() is not None, 30, f"{name} answers; log: {log}")
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}: {log.read_text(encoding='utf-8')[-2000:]}")
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
