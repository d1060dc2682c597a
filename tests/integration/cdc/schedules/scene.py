"""Servers that all schedules of a module share, and one schedule after the other on them."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.cdc.schedules.processes import Processes, Role
from tests.integration.cdc.schedules.schedule import FAULTS, Faults, made
from tests.integration.cdc.schedules.world import World
from tests.support.kafka import KafkaCluster
from tests.support.postgres import PostgresServer

# The target flushes late, so that a crash takes what was only applied. A crash here is the server's, not the machine's.
SETTINGS = {"fsync": "off", "checkpoint_timeout": "1h", "wal_writer_flush_after": "64MB"}

_number = itertools.count(1)


@dataclass
class Scene:
    source: PostgresServer
    target: PostgresServer
    parent: Processes
    folder: Path
    kafka: KafkaCluster | None

    def holds(self, seed: int, transactions: int, counts: Sequence[int], faults: Faults = FAULTS) -> None:
        """The target equals the source after the schedule of this seed."""
        schedule = made(seed, transactions, counts, faults, tuple(Role) if self.kafka else (Role.APPLIER,))
        world = World(self.source, self.target, self.parent, schedule, next(_number), self.folder, self.kafka)
        with world:
            world.run()
            world.settle()
            world.check()
            assert sum(writer.committed for writer in world.writers) > 0


@contextmanager
def scenes(folder: Path, kafka: KafkaCluster | None = None) -> Iterator[Scene]:
    with ExitStack() as running:
        servers = []
        for name in ("source", "target"):
            server = PostgresServer(folder / f"pg-schedule-{name}", settings=SETTINGS)
            server.create()
            server.start()
            running.callback(server.stop, signal.SIGQUIT)
            servers.append(server)
        yield Scene(servers[0], servers[1], running.enter_context(Processes()), folder, kafka)
