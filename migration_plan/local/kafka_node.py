"""How a Kafka broker is run from the jars that scripts/get-kafka fetched: its settings, its commands, a first hello.

Values only, and one short look over a socket; who runs the commands is elsewhere (the local stack, tests).
"""

from __future__ import annotations

import shutil
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from migration_plan.local.errors import ProgramMissing

JARS = Path(__file__).parents[2] / "build" / "kafka"
_CLUSTER = "ZmlnLXN0cmFuZ2xlci1maQ"  # 16 bytes, as Kafka wants them; all clusters here are on loopback.
_METADATA, _VERSION = 3, 1
_PATIENCE = 2.0  # s
_LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
logger.settings.name = org.apache.kafka.common.config
logger.settings.level = warn
logger.plugins.name = org.apache.kafka.connect.runtime.isolation
logger.plugins.level = warn
"""


@dataclass(frozen=True)
class Node:
    """One broker, which is a controller too (KRaft)."""

    number: int
    port: int
    controller_port: int


def check_installed() -> None:
    """ProgramMissing when there is no Java, or no Kafka."""
    if shutil.which("java") is None:
        raise ProgramMissing("Java")
    if not (JARS / "server").is_dir():
        raise ProgramMissing("Kafka")


def properties(node: Node, nodes: Sequence[Node], data: Path) -> dict[str, str]:
    """The settings of one node of a cluster on loopback: everything is kept on as many nodes as there are, up to 3."""
    copies = min(3, len(nodes))
    acknowledged = max(1, copies - 1)
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        "listeners": f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": ",".join(f"{one.number}@127.0.0.1:{one.controller_port}" for one in nodes),
        "log.dirs": str(data),
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(acknowledged),
        "offsets.topic.replication.factor": str(copies),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(acknowledged),
        "transaction.state.log.num.partitions": "4",
        # A topic that nobody made is a mistake.
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "background.threads": "2",
        "log.cleaner.dedupe.buffer.size": "4194304",
    }


def java(folder: Path, heap: int, *, brief: bool = False, jars: Path = JARS) -> list[str]:
    """A JVM with the server's jars and at most `heap` MB; write_files has to have been called for the folder.

    With `brief`, starting quickly matters more than running fast.
    """
    return [
        "java", f"-Xmx{heap}m", "-XX:+UseSerialGC", "-XX:-UsePerfData",
        *(("-XX:TieredStopAtLevel=1",) if brief else ()),
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}", "-cp", str(jars / "server" / "*"),
    ]  # fmt: skip


def write_files(folder: Path, settings: dict[str, str]) -> None:
    """server.properties and log4j2.properties."""
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    (folder / "server.properties").write_text(lines, encoding="utf-8")
    (folder / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")


def format_arguments(folder: Path) -> list[str]:
    """After `java`: makes the data folder, leaves one that is there already as it is."""
    return ["kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(folder / "server.properties"),
            "--ignore-formatted"]  # fmt: skip


def run_arguments(folder: Path) -> list[str]:
    """After `java`: the broker, in the foreground."""
    return ["kafka.Kafka", str(folder / "server.properties")]


def members(address: str) -> set[int]:
    """The numbers of the nodes that the broker at HOST:PORT calls alive. OSError: it does not answer."""
    # Request header (API, version, correlation, no client name), and of no topic.
    request = struct.pack("!hhihi", _METADATA, _VERSION, 1, -1, 0)
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=_PATIENCE) as connection:
        connection.sendall(struct.pack("!i", len(request)) + request)
        (length,) = struct.unpack("!i", _exactly(connection, 4))
        return _nodes(_exactly(connection, length))


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = connection.recv(count - len(found))
        if not part:
            raise ConnectionError("the port is open, but no broker answers")
        found += part
    return found


def _nodes(answer: bytes) -> set[int]:
    (count,) = struct.unpack_from("!i", answer, 4)
    at, found = 8, set()
    for _ in range(count):
        number, name = struct.unpack_from("!ih", answer, at)
        (rack,) = struct.unpack_from("!h", answer, at + 6 + name + 4)
        at += 6 + name + 4 + 2 + max(0, rack)
        found.add(number)
    return found
