"""Orders under way and the last one of each domain: begun in a process of its own, followed line by line."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from migration_plan.console.orders import Order
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit

_log = logging.getLogger("fig.console")

DIED = "run-died"
LEFT_BY: Mapping[str, tuple[str, str]] = {
    "rehearse": (
        "nothing live was touched, and its copies are taken away when the next rehearsal begins",
        "fig rehearse {domain}",
    ),
    "verify": ("it has only looked", "fig verify {domain}"),
    "accept": ("half of it may be done; the same again does the rest", "fig sync accept {domain}"),
}
"""What an act leaves behind whose process dies, and what to do; where it is not said here, a controller goes on."""


class RunBusy(FigError):
    """Something that was ordered here is still under way for this domain."""

    code = "run-busy"
    exit_code = Exit.LEASED


@dataclass(frozen=True)
class Said:
    """One line of a run. `ms`: since its process began."""

    ms: float
    text: str


@dataclass
class Run:
    """One order, and what has come of it so far."""

    order: Order
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    heard: float = field(default_factory=time.monotonic)
    said: list[Said] = field(default_factory=list)
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    is_over: bool = False
    process: subprocess.Popen[str] | None = None

    @property
    def ms(self) -> float:
        """What its process's clock shows now, for what goes on counting."""
        return (self.said[-1].ms if self.said else 0.0) + (time.monotonic() - self.heard) * 1000


def died(order: Order) -> dict[str, Any]:
    """What is said of an order whose process has ended without a word."""
    said, follow = LEFT_BY.get(order.act, ("what it began is finished, or taken back", "fig status {domain}"))
    return {
        "error": DIED, "message": f"the process that carried it out has died; {said}",
        "next_steps": [follow.format(domain=order.domain)],
    }  # fmt: skip


class Runs:
    """In the console's memory alone; the lease in the journal keeps two controllers from one domain."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._runs: dict[str, Run] = {}
        self._changed = threading.Condition()
        self._version = 0

    def last(self, domain: str) -> Run | None:
        return self._runs.get(domain)

    def wait(self, seconds: float) -> None:
        """Until something is said of any run, or so long."""
        with self._changed:
            before = self._version
            self._changed.wait_for(lambda: self._version != before, seconds)

    def begin(self, order: Order) -> Run:
        """RunBusy while another order of the console for this domain is under way."""
        with self._changed:
            known = self._runs.get(order.domain)
            if known is not None and not known.is_over:
                raise RunBusy(f'"{known.order.act}" of "{order.domain}" is still under way', "wait until it is over")
            run = self._runs[order.domain] = Run(order)
        # Its own group would outlive `fig down`; its own process outlives this one.
        run.process = subprocess.Popen(
            [sys.executable, "-m", "migration_plan.console.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self._environment,
        )  # fmt: skip
        threading.Thread(target=self._follow, args=(run, run.process), name=f"run-{order.domain}", daemon=True).start()
        return run

    def take_back(self, domain: str) -> None:
        """As Ctrl-C at the command: a switch that is not decided yet is taken back."""
        run = self._runs.get(domain)
        if run is not None and run.process is not None and not run.is_over:
            run.process.send_signal(signal.SIGINT)

    def _follow(self, run: Run, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes.
        with process:
            process.stdin.write(json.dumps(run.order.as_json()))
            process.stdin.close()
            for line in process.stdout:
                self._take(run, json.loads(line))
        with self._changed:
            if run.result is None and run.error is None:
                _log.error("%s of %s ended with %s", run.order.act, run.order.domain, process.returncode)
                run.error = died(run.order)
            run.is_over = True
            self._tell()

    def _take(self, run: Run, line: Mapping[str, Any]) -> None:
        with self._changed:
            if "said" in line:
                run.said.append(Said(line["ms"], line["said"]))
                run.heard = time.monotonic()
            else:
                run.result, run.error = line.get("result"), line.get("error")
            self._tell()

    def _tell(self) -> None:
        self._version += 1
        self._changed.notify_all()
