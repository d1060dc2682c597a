"""`python -m legacy_monolith.jobs`: finishes checkouts and cancels that died halfway, and forgets what is over.

It may die on any line, and any number may run: each step is repeatable and decided in the order's row.
"""

from __future__ import annotations

import logging
import logging.config
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from types import FrameType

from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from legacy_monolith import create_app, seam, telling
from legacy_monolith.database import FENCED, db, sqlstate
from legacy_monolith.errors import Problem, ReservationLost
from legacy_monolith.logs import LOGGING
from legacy_monolith.payments import checkout, orders
from legacy_monolith.users import limits, phone

log = logging.getLogger("legacy_monolith.jobs")

INTERVAL_SECONDS = 0.5
TIDYING_SECONDS = 60.0
# A checkout that nobody could finish for so long is given up: its buyer has gone.
PATIENCE = timedelta(minutes=2)

# Each domain's in a transaction of its own.
TIDYING_OF_USERS = (phone.forget, limits.forget, partial(telling.forget, "users"))
TIDYING_OF_PAYMENTS = (partial(telling.forget, "payments"),)


def finish_orders(app: Flask) -> int:
    """One round over what nobody works on; how many orders were brought to an end."""
    finished = 0
    while True:
        with app.app_context():
            order_id = orders.claim()
            db.session.commit()
            if order_id is None:
                return finished
            finished += _finish(order_id)


def _finish(order_id: int) -> bool:
    order = orders.by_id(order_id)
    db.session.rollback()
    if order and order.state == "pending" and datetime.now(UTC) - order.created_at > PATIENCE:
        checkout.expire(order_id)
    try:
        seam.with_stock(lambda stock: checkout.advance(order_id, stock))
    except (Problem, ReservationLost) as error:
        # Its grace over, it comes up again, after those that wait longer.
        db.session.rollback()
        log.warning("order not finished", extra={"order": order_id, "code": error.code, "reason": str(error)})
        return False
    log.info("order finished", extra={"order": order_id})
    return True


def tidy(app: Flask) -> None:
    """Throw away codes and tellings of long ago, and limits that limit nobody any more."""
    for steps in (TIDYING_OF_USERS, TIDYING_OF_PAYMENTS):
        with app.app_context():
            try:
                for step in steps:
                    step()
                db.session.commit()
            except DBAPIError as error:
                # Whoever owns the domain tidies up after it.
                if sqlstate(error) != FENCED:
                    raise


def run(app: Flask) -> None:
    pause = threading.Event()
    tidying = 0.0
    while True:
        try:
            finish_orders(app)
            if time.monotonic() >= tidying:
                tidy(app)
                tidying = time.monotonic() + TIDYING_SECONDS
        except (DBAPIError, PoolExhausted) as error:
            log.error("the database does not answer", extra={"reason": type(error).__name__})
        pause.wait(INTERVAL_SECONDS)


def stop(signum: int, frame: FrameType | None) -> None:
    # At once, wherever it is: the next one goes on from the row.
    sys.exit(0)


def main() -> None:
    logging.config.dictConfig(LOGGING)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # A single call for each order and round: what is in doubt comes up again.
    app = create_app({"SEAM_PATIENCE_SECONDS": 0.0})
    log.info("jobs run")
    run(app)


if __name__ == "__main__":
    main()
