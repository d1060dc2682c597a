"""A publisher in a process of its own, for tests that kill it: `python -m tests.integration.events.publisher JSON`.

`die_at`: [checkpoint, n] kills the process at the n-th time it passes there.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading

from cdc.outbox.figures import Figures
from cdc.outbox.publisher import Publisher
from cdc.outbox.spec import OutboxSpec
from cdc.projection import Table

log = logging.getLogger("publisher")


def spec(dsn: str, broker_url: str) -> OutboxSpec:
    return OutboxSpec("payments_outbox_monolith", "payments", dsn, Table("public", "payments_outbox"), broker_url)


def main() -> None:
    given = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    name, times = given.get("die_at") or ("", 0)
    passed = [0]

    def checkpoint(at: str) -> None:
        passed[0] += at == name
        if name and passed[0] >= times:
            os.kill(os.getpid(), signal.SIGKILL)

    def tell(figures: Figures) -> None:
        log.info("%s", figures)

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Publisher(spec(given["dsn"], given["broker"]), tell, checkpoint).run(stop)


if __name__ == "__main__":
    main()
