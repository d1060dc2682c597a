"""A publisher or an applier of a stream through Kafka in a process of its own, for tests that kill it:
`python -m tests.integration.cdc.kafka.process publisher|applier JSON`.

`die_at`: [checkpoint, n] kills the process at the n-th time it passes there. `naive` makes a publisher confirm what it
has sent instead of what was acknowledged: a control.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from dataclasses import replace

from cdc.kafka import topic_publisher
from cdc.kafka.topic_publisher import TopicPublisher
from cdc.kafka.transport import KafkaTransport
from cdc.spec import StreamSpec
from cdc.stream import Stream
from tests.integration.cdc.stream import applier


def spec(source: str, target: str, bootstrap: str, prefix: str, replicas: int) -> StreamSpec:
    transport = KafkaTransport(bootstrap, prefix, replication=replicas, min_insync=max(1, replicas - 1))
    return replace(applier.spec(source, target), kafka=transport)


class Doomed:
    """Dies at the n-th passing of a checkpoint."""

    def __init__(self, name: str, times: int) -> None:
        self._name, self._times, self._passed = name, times, 0

    def __call__(self, at: str) -> None:
        self._passed += at == self._name
        if self._name and self._passed >= self._times:
            os.kill(os.getpid(), signal.SIGKILL)


class Naive(topic_publisher.PublishingSession):
    """Confirms what it has sent."""

    def _acknowledged(self) -> None:
        reached = max((lsn for _, _, lsn in self._pending), default=0)
        if reached:
            self._confirmed = reached
            self._source.send_status(reached, reached)
        while self._pending and self._pending[0][0].is_done:
            self._pending.popleft()


def main() -> None:
    role, given = sys.argv[1], json.loads(sys.argv[2])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.ERROR)
    if given.pop("naive", False):
        topic_publisher.PublishingSession = Naive  # type: ignore[misc]
    doomed = Doomed(*(given.pop("die_at", None) or ("", 0)))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    made = spec(**given)
    running = TopicPublisher(made, doomed) if role == "publisher" else Stream(made, checkpoint=doomed)
    running.run(stop)


if __name__ == "__main__":
    main()
