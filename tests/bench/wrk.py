"""Requests as fast as one client program can, with the distribution of their latencies."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_BODY = 'wrk.body = "{}"\nwrk.headers["Content-Type"] = "application/json"\n'


@dataclass(frozen=True)
class Rate:
    """What one run of wrk saw."""

    count: int
    """Requests that were answered."""
    per_second: float
    p99_ms: float
    failed: int
    """Answers other than 2xx and 3xx, and broken connections."""


def wrk(url: str, seconds: int, connections: int = 16, method: str = "GET", has_body: bool = False) -> Rate:
    """One thread, kept connections; a body is the two bytes of an empty JSON object.

    RuntimeError when wrk is not there, or says nothing that can be read.
    """
    program = shutil.which("wrk")
    if program is None:
        raise RuntimeError("wrk is not installed: run 'make setup'")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f'wrk.method = "{method}"\n' + (_BODY if has_body else ""))
        script.flush()
        done = subprocess.run(
            [program, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", Path(script.name), url],
            capture_output=True, text=True, timeout=seconds + 30, check=True,
        )  # fmt: skip
    return read(done.stdout)


def read(said: str) -> Rate:
    """What wrk printed, as figures."""
    count = re.search(r"(\d+) requests in", said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", said)
    if count is None or rate is None or p99 is None:
        raise RuntimeError(f"wrk said: {said}")
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    wrong = (int(failed[1]) if failed else 0) + (sum(map(int, broken.groups())) if broken else 0)
    return Rate(int(count[1]), float(rate[1]), float(p99[1]) * _UNITS[p99[2]], wrong)
