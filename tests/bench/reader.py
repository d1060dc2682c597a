"""Reads a slot up to an LSN, to nowhere, and prints the seconds: `python -m tests.bench.reader DSN SLOT LSN`."""

from __future__ import annotations

import select
import sys
import time

from cdc.pgoutput import Commit, decode
from cdc.position import parse_lsn
from cdc.source import Keepalive, SourceConnection


def main() -> None:
    dsn, slot, until = sys.argv[1], sys.argv[2], parse_lsn(sys.argv[3])
    connection = SourceConnection(dsn, "bench")
    began = time.perf_counter()
    connection.start(slot, "bench", 0)
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN)
    while True:
        received = connection.receive()
        if received is None:
            poll.poll(1000)
        elif not isinstance(received, Keepalive):
            message = decode(received.content)
            if isinstance(message, Commit) and message.end_lsn >= until:
                break
    print(time.perf_counter() - began)
    connection.close()


if __name__ == "__main__":
    main()
