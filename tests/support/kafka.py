"""Throw-away Kafka clusters on loopback for tests: real brokers, and ways to hurt them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from migration_plan.local import kafka_node
from migration_plan.local.kafka_node import Node
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

# Deaths are noticed within seconds, and groups may be as quick as a test wants.
_IMPATIENT = {
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "replica.lag.time.max.ms": "3000",
    "group.min.session.timeout.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "controller.quorum.append.linger.ms": "5",
}


@dataclass
class KafkaNode:
    """One broker; its log is `folder`/log."""

    folder: Path
    node: Node
    heap: int
    brief: bool
    settings: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.node.port}"

    def begin_create(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True)
        kafka_node.write_files(self.folder, self.settings)
        return self._java(kafka_node.format_arguments(self.folder))

    def begin(self) -> None:
        assert self.process is None, f"{self.address} runs already"
        self.process = self._java(kafka_node.run_arguments(self.folder))

    def _java(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        command = [*kafka_node.java(self.folder, self.heap, brief=self.brief), *arguments]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def knows(self) -> set[int]:
        """The nodes that it calls alive; none while it does not answer."""
        assert self.process is not None
        assert self.process.poll() is None, f"Kafka ended; its log: {self.folder / 'log'}"
        try:
            return kafka_node.members(self.address)
        except OSError:
            return set()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM hands over its partitions first; SIGKILL is a crash."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:  # It waits for controllers that are gone already.
            self.process.kill()
            self.process.wait(10)
        self.process = None

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)


@dataclass
class KafkaCluster:
    """`count` brokers. Topics have as many replicas, up to 3, and need all but one of them (min.insync.replicas)."""

    folder: Path
    count: int = 1
    heap: int = 256
    """MB of each node."""
    brief: bool = True
    """Start quickly; without, run fast (for measurements)."""
    settings: Mapping[str, str] = field(default_factory=dict)
    nodes: list[KafkaNode] = field(init=False)

    def __post_init__(self) -> None:
        kafka_node.check_installed()
        plan = [Node(number, free_port(), free_port()) for number in range(1, self.count + 1)]
        self.nodes = [
            KafkaNode(
                self.folder / f"kafka-{node.number}", node, self.heap, self.brief,
                {**kafka_node.properties(node, plan, self.folder / f"kafka-{node.number}" / "data"),
                 **_IMPATIENT, **self.settings},
            )
            for node in plan
        ]  # fmt: skip

    @property
    def bootstrap(self) -> str:
        """For clients: HOST:PORT,…"""
        return ",".join(node.address for node in self.nodes)

    def create(self) -> None:
        making = [(node, node.begin_create()) for node in self.nodes]
        for node, process in making:
            assert process.wait(60) == 0, f"Kafka's storage could not be made; log: {node.folder / 'log'}"

    def start(self, seconds: float = 60) -> None:
        """Start what does not run, and wait until all know of each other."""
        for node in self.nodes:
            if node.process is None:
                node.begin()
        self.wait_until_whole(seconds)

    def wait_until_whole(self, seconds: float = 60) -> None:
        everyone = {node.node.number for node in self.nodes}
        wait_until(
            lambda: all(node.knows() == everyone for node in self.nodes),
            seconds, f"all {self.count} Kafka nodes know of each other; logs in {self.folder}", every=0.05,
        )  # fmt: skip

    def stop(self) -> None:
        # The last controllers cannot hand over to anybody, so nobody is asked to.
        for node in self.nodes:
            node.end(signal.SIGKILL)


@contextmanager
def running(folder: Path, count: int = 1, **settings: str) -> Iterator[KafkaCluster]:
    """A new cluster for the length of a block; settings are broker settings with _ for each dot."""
    named = {name.replace("_", "."): value for name, value in settings.items()}
    cluster = KafkaCluster(folder, count, settings=named)
    cluster.create()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
