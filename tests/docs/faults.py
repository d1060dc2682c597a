"""What goes wrong in a run book and no command of fig can do: `python -m tests.docs.faults NAME`, as its page says."""

from __future__ import annotations

import json
import os
import signal
import sys
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cdc.outbox.broker import Message, Publishing, connected
from cdc.outbox.errors import BrokerAway, NobodyListens
from migration_plan.local.site import Place
from migration_plan.local.supervise import Supervisor
from migration_plan.terminal import load_environment
from tests.support.faults import Controller
from tests.support.waiting import wait_until

NOBODY = 4711
"""A user who is not there."""
TAKER = "pg-monolith"


def taker_dies() -> None:
    """On the way back from the service, right after its release: the monolith's server, and the command itself."""
    controller = Controller.start(os.environ, "catalog", False, "after-release", signal.SIGSTOP)
    supervisor = Supervisor(Place.of(os.environ).state)
    try:
        controller.wait_until_struck()
        # Before the lease of what is frozen runs out, and somebody else grants.
        supervisor.stop_program(TAKER)
        wait_until(lambda: not supervisor.all_info()[TAKER]["pid"], 30, f"{TAKER} has stopped")
    finally:
        controller.end()


def order_of_nobody() -> None:
    """Somebody who is not there has paid: told to the inbox of notifications, as soon as there is one."""
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


FAULTS: Mapping[str, Callable[[], None]] = {"taker-dies": taker_dies, "order-of-nobody": order_of_nobody}


if __name__ == "__main__":
    load_environment()
    FAULTS[sys.argv[1]]()
