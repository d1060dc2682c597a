"""Processes of a stream, started in a moment: `python -m tests.integration.cdc.schedules.processes` forks one for each
line of JSON that it reads. Each is a process of its own; whoever wants to kills it.

Lines: an `Order` starts one and is answered by its pid; {"wait": pid} by its exit code, or null while it
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
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import TracebackType

from cdc.kafka.topic_publisher import TopicPublisher
from cdc.kafka.transport import KafkaTransport
from cdc.message_errors import SchemaChanged
from cdc.projection import Direction
from cdc.session import Pace
from cdc.spec import StreamSpec
from cdc.stream import Stream
from tests.integration.cdc.schedules.tables import LENS


class Role(StrEnum):
    APPLIER = "applier"
    PUBLISHER = "publisher"


@dataclass(frozen=True)
class Order:
    """What a process is told."""

    role: Role
    source: str
    target: str
    direction: Direction
    number: int
    """Makes the names of slots and origins unique in their servers."""
    group_rows: int
    log: str
    bootstrap: str = ""
    """Of Kafka; without, the stream is direct and has an applier only."""
    die_at: str = ""
    """Name of a checkpoint."""
    die_after: int = 0

    @property
    def spec(self) -> StreamSpec:
        name = f"{self.direction}_{self.number}"
        return StreamSpec(
            name=f"accounts_{self.direction}", domain="accounts", source_dsn=self.source, target_dsn=self.target,
            slot=f"fig_{name}", publication="fig_accounts", origin=f"fig_{name}", heartbeat=0.1,
            projections=LENS.projections(self.direction), kafka=self._kafka(name),
        )  # fmt: skip

    def _kafka(self, name: str) -> KafkaTransport | None:
        return KafkaTransport(self.bootstrap, name, replication=1, min_insync=1) if self.bootstrap else None


class Process:
    """One that runs, seen from the test."""

    def __init__(self, parent: Processes, pid: int) -> None:
        self._parent = parent
        self.pid = pid
        self._ended: int | None = None

    def poll(self) -> int | None:
        """As Popen's: the exit code, negative for a signal; None while it runs."""
        if self._ended is None:
            self._ended = self._parent.ask({"wait": self.pid})
        return self._ended

    def send(self, how: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, how)

    def end(self, how: signal.Signals) -> int | None:
        self.send(how)
        if self._ended is None:
            self._ended = self._parent.ask({"join": self.pid})
        return self._ended


class Processes:
    """The process that forks them."""

    def __enter__(self) -> Processes:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def start(self, order: Order) -> Process:
        pid = self.ask(asdict(order))
        assert pid is not None
        return Process(self, pid)

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
        # Told to stop before it can hear it, a process would end as if it had failed.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid = os.fork()
        if pid == 0:
            os._exit(_child(Order(**{**said, "role": Role(said["role"]), "direction": Direction(said["direction"])})))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        children.add(pid)
        print(pid, flush=True)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _child(order: Order) -> int:
    """The process itself."""
    form = f"%(asctime)s {order.role} {os.getpid()} %(message)s"
    logging.basicConfig(filename=order.log, level=logging.INFO, format=form)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    passed = 0

    def checkpoint(at: str) -> None:
        nonlocal passed
        passed += at == order.die_at
        if order.die_after and passed >= order.die_after:
            logging.info("dies at: %s", at)
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        logging.info("starts")
        if order.role is Role.PUBLISHER:
            TopicPublisher(order.spec, checkpoint).run(stop)
        else:
            _apply(order, checkpoint, stop)
    except BaseException:
        logging.exception("the %s ends", order.role)
        return 1
    return 0


def _apply(order: Order, checkpoint: Callable[[str], None], stop: threading.Event) -> None:
    """A column that came to the target just after a session had looked at it is met by the next one; whoever keeps
    streams begins again after an alarm, and so does this."""
    while not stop.is_set():
        try:
            Stream(order.spec, checkpoint=checkpoint, pace=Pace(group_rows=order.group_rows)).run(stop)
        except SchemaChanged as error:
            logging.info("%s", error.message)


if __name__ == "__main__":
    main()
