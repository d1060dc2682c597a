"""`python -m legacy_monolith.sending`: sends the messages that wait, while notifications is owned here.

It may die on any line, and any number may run. Told to stop, it finishes the message that it works on.
"""

from __future__ import annotations

import logging
import logging.config
import signal
import threading
import time
from types import FrameType

from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from legacy_monolith import create_app, ownership
from legacy_monolith.database import FENCED, db, sqlstate
from legacy_monolith.logs import LOGGING
from legacy_monolith.notifications import delivery, inbox

log = logging.getLogger("legacy_monolith.sending")

INTERVAL_SECONDS = 0.5
TIDYING_SECONDS = 60.0


def send_all(app: Flask, stopping: threading.Event) -> None:
    """One round over what is due."""
    with app.app_context():
        if not ownership.is_here("notifications"):
            return
        db.session.rollback()
        delivery.doubt_what_is_left()
        for step in (delivery.send_next, delivery.look_up_next):
            while not stopping.is_set() and step():
                pass


def tidy(app: Flask) -> None:
    with app.app_context():
        if ownership.is_here("notifications"):
            inbox.forget()
            db.session.commit()


def run(app: Flask, stopping: threading.Event) -> None:
    tidying = 0.0
    while not stopping.is_set():
        try:
            send_all(app, stopping)
            if time.monotonic() >= tidying:
                tidy(app)
                tidying = time.monotonic() + TIDYING_SECONDS
        except (DBAPIError, PoolExhausted) as error:
            # Fenced in between: whoever owns the messages sends them.
            if not (isinstance(error, DBAPIError) and sqlstate(error) == FENCED):
                log.error("the database does not answer", extra={"reason": type(error).__name__})
        stopping.wait(INTERVAL_SECONDS)


def main() -> None:
    logging.config.dictConfig(LOGGING)
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    app = create_app()
    log.info("sending runs")
    run(app, stopping)


if __name__ == "__main__":
    main()
