"""The monolith's side: `python -m tests.integration.events.diary_monolith` writes down what it hears."""

from __future__ import annotations

import logging
import logging.config
import os
import signal
import threading

from sqlalchemy import text

from legacy_monolith import create_app
from legacy_monolith.database import db
from legacy_monolith.event import Event
from legacy_monolith.events.listening import listen
from legacy_monolith.logs import LOGGING

SOURCES = ("users", "payments")


def receive(event: Event) -> None:
    values = {"event": event.id, "type": event.type}
    new = text("insert into inbox (message_id, type) values (:event, :type) on conflict do nothing returning 1")
    if db.session.execute(new, values).first() is None:
        return
    if db.session.execute(text("select 1 from trouble where type = :type"), values).first():
        raise ValueError("it cannot be written down")
    db.session.execute(text("insert into diary (event, type) values (:event, :type)"), values)
    db.session.commit()


def main() -> None:
    logging.config.dictConfig(LOGGING)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    listen(create_app(), os.environ["AMQP_URL"], "notifications", SOURCES, receive, stop, retry_seconds=0.2)


if __name__ == "__main__":
    main()
