"""What goes wrong before the commands of a run book are typed, where nobody could type it.

`python -m tests.docs.faults NAME` in the pages' terminal; a page says it before a block: `<!-- fault: NAME -->`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cdc.broker import Message, Publishing, connected
from cdc.outbox_errors import BrokerAway, NobodyListens
from migration_plan.terminal import load_environment
from tests.support.faults import Controller
from tests.support.waiting import wait_until

NOBODY = 4711
"""A user who is not there."""


def the_taker_dies_after_the_release() -> None:
    """On the way back from the service; what let go of the domain dies as well, and knows nobody who could grant."""
    controller = Controller.start(os.environ, "catalog", False, "after-release", signal.SIGSTOP)
    try:
        controller.wait_until_struck()
        subprocess.run(["fig", "stop", "pg-monolith"], check=True, stdout=subprocess.DEVNULL)
    finally:
        controller.end()


def an_order_of_nobody_is_paid() -> None:
    """Straight into the inbox of notifications, as soon as somebody has made it."""
    event: Mapping[str, object] = {
        "id": str(uuid.uuid4()), "type": "order.paid", "occurred_at": datetime.now(UTC).isoformat(),
        "data": {"user_id": NOBODY, "order_id": 1, "amount": 1250},
    }  # fmt: skip

    def told() -> bool:
        try:
            with connected(os.environ["AMQP_URL"]) as connection:
                letter = Message(str(event["id"]), "notifications.inbox", json.dumps(event).encode())
                Publishing(connection, exchange="").publish([letter])
        except (BrokerAway, NobodyListens):
            return False
        return True

    wait_until(told, 30, "somebody has made the inbox", every=0.1)


FAULTS: Mapping[str, Callable[[], None]] = {
    made.__name__.replace("_", "-"): made for made in (the_taker_dies_after_the_release, an_order_of_nobody_is_paid)
}


if __name__ == "__main__":
    load_environment()
    FAULTS[sys.argv[1]]()
