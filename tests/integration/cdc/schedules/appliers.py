"""Applier processes, started in a moment: `python -m tests.integration.cdc.schedules.appliers` forks one for each
line of JSON that it reads. Each is a process of its own; whoever wants to kills it.

Lines: an `Order` starts an applier and is answered by its pid; {"wait": pid} by its exit code, or null while it
runs; {"join": pid} by its exit code once it has ended.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from types import TracebackType

from cdc.projection import Direction
from cdc.session import Pace
from cdc.spec import StreamSpec
from cdc.stream import Stream
from tests.integration.cdc.schedules.tables import LENS


@dataclass(frozen=True)
class Order:
    """What an applier is told."""

    source: str
    target: str
    direction: Direction
    number: int
    """Makes the names of slots and origins unique in their servers."""
    group_rows: int
    log: str
    die_at: str = ""
    """Name of a checkpoint."""
    die_after: int = 0

    @property
    def spec(self) -> StreamSpec:
        name = f"{self.direction}_{self.number}"
        return StreamSpec(
            name=f"accounts_{self.direction}", domain="accounts", source_dsn=self.source, target_dsn=self.target,
            slot=f"fig_{name}", publication="fig_accounts", origin=f"fig_{name}", heartbeat=0.1,
            projections=LENS.projections(self.direction),
        )  # fmt: skip

    def dying(self, checkpoint: str, times: int) -> Order:
        return replace(self, die_at=checkpoint, die_after=times)


class Applier:
    """One running applier, seen from the test."""

    def __init__(self, appliers: Appliers, pid: int) -> None:
        self._appliers = appliers
        self.pid = pid
        self._ended: int | None = None

    def poll(self) -> int | None:
        """As Popen's: the exit code, negative for a signal; None while it runs."""
        if self._ended is None:
            self._ended = self._appliers.ask({"wait": self.pid})
        return self._ended

    def send(self, how: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, how)

    def end(self, how: signal.Signals) -> int | None:
        self.send(how)
        if self._ended is None:
            self._ended = self._appliers.ask({"join": self.pid})
        return self._ended


class Appliers:
    """The process that forks them."""

    def __enter__(self) -> Appliers:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def start(self, order: Order) -> Applier:
        pid = self.ask(asdict(order))
        assert pid is not None
        return Applier(self, pid)

    def ask(self, line: dict[str, object]) -> int | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert answer is None or isinstance(answer, int)
        return answer


def main() -> None:
    children: set[int] = set()
    for line in sys.stdin:
        said = json.loads(line)
        if pid := said.get("wait") or said.get("join"):
            ended, status = os.waitpid(pid, os.WNOHANG if "wait" in said else 0)
            children.discard(ended)
            print(json.dumps(os.waitstatus_to_exitcode(status) if ended else None), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            os._exit(_child(Order(**{**said, "direction": Direction(said["direction"])})))
        children.add(pid)
        print(pid, flush=True)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _child(order: Order) -> int:
    """The applier itself."""
    logging.basicConfig(filename=order.log, level=logging.INFO, format=f"%(asctime)s {os.getpid()} %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    passed = 0

    def checkpoint(at: str) -> None:
        nonlocal passed
        passed += at == order.die_at
        if order.die_after and passed >= order.die_after:
            logging.info("dies at: %s", at)
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        logging.info("starts at %.3f", time.time())
        Stream(order.spec, checkpoint=checkpoint, pace=Pace(group_rows=order.group_rows)).run(stop)
    except BaseException:
        logging.exception("the applier ends")
        return 1
    return 0


if __name__ == "__main__":
    main()
