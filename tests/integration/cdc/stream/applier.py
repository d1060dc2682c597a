"""A stream in a process of its own, for tests that kill it: `python -m tests.integration.cdc.stream.applier JSON`.

`die_at`: [checkpoint, n] kills the process at the n-th time it passes there. `naive` confirms what was applied
instead of what was flushed, `eager` even what was only sent on to the target; `blind` does not compare the slot with
the position. These are controls: they show that the tests can fail.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading

from cdc import confirm
from cdc.capture import slot_changes
from cdc.capture.losses import Standing
from cdc.position import Position
from cdc.projection import Column, Projection, Role, Table
from cdc.spec import StreamSpec
from cdc.stream import Stream

ENTRY = Table("public", "entry")
COLUMNS = (Column("id", ("id",), "{id}"), Column("n", ("n",), "{n}"))
PROJECTION = Projection(ENTRY, ENTRY, (("id", "id"),), COLUMNS, Role.PRIMARY, ())


def spec(source: str, target: str) -> StreamSpec:
    return StreamSpec(
        name="entries", domain="entries", source_dsn=source, target_dsn=target, slot="fig_entries",
        publication="fig_entries", origin="fig_entries", projections=(PROJECTION,), heartbeat=0.05,
    )  # fmt: skip


def main() -> None:
    given = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if given.get("naive"):
        confirm.confirmable = lambda target: target.applied
    if given.get("eager"):
        confirm.confirmable = lambda target: target.sent_lsn
    if given.get("blind"):

        def believe(position: Position | None, stream: str, found: Standing) -> Position:
            assert position is not None
            return position

        slot_changes.require_same = believe
    name, times = given.get("die_at") or ("", 0)
    passed = [0]

    def checkpoint(at: str) -> None:
        passed[0] += at == name
        if name and passed[0] >= times:
            os.kill(os.getpid(), signal.SIGKILL)

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Stream(spec(given["source"], given["target"]), checkpoint=checkpoint).run(stop)


if __name__ == "__main__":
    main()
