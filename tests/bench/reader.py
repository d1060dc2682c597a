"""Reads a slot up to an LSN as a publisher does, to nowhere, and prints the seconds: arguments DSN, slot, LSN.

Each message is decoded and written as the record that would go to Kafka: Debezium's envelope and our header.
"""

from __future__ import annotations

import select
import sys
import time

from cdc import servers
from cdc.capture import source_types
from cdc.capture.changes import Keepalive
from cdc.capture.source import FRAME, SourceConnection
from cdc.debezium.envelope import Envelopes
from cdc.decoding import decode
from cdc.kafka.topic_writer import TopicWriter
from cdc.messages import Commit
from cdc.position import parse_lsn


def main() -> None:
    dsn, slot, until = sys.argv[1], sys.argv[2], parse_lsn(sys.argv[3])
    catalogue = servers.connect(dsn, "source", "bench")
    writer = TopicWriter(1, "bench", Envelopes("bench", "bench"), lambda r: source_types.facts(catalogue, r))
    connection = SourceConnection(dsn, "bench")
    began = time.perf_counter()
    connection.start(slot, "bench", 0)
    _read(connection, writer, until)
    print(time.perf_counter() - began)
    connection.close()
    catalogue.close()


def _read(connection: SourceConnection, writer: TopicWriter, until: int) -> None:
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN)
    receive, take = connection.receive_framed, writer.take
    while True:
        received = receive()
        if received is None:
            poll.poll(1000)
        elif not isinstance(received, Keepalive):
            message = decode(received, FRAME)
            for _record in take(int.from_bytes(received[1:9], "big"), message):
                pass
            if isinstance(message, Commit) and message.end_lsn >= until:
                return


if __name__ == "__main__":
    main()
