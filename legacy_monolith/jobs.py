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
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType

from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from legacy_monolith import create_app, ownership, seam, telling
from legacy_monolith.database import FENCED, db, sqlstate
from legacy_monolith.errors import Problem, ReservationLost
from legacy_monolith.logs import LOGGING
from legacy_monolith.payments import checkout, collecting, ledger, orders, refunding
from legacy_monolith.users import limits, phone

log = logging.getLogger("legacy_monolith.jobs")

INTERVAL_SECONDS = 0.5
TIDYING_SECONDS = 60.0
# A checkout that nobody could finish for so long is given up: its buyer has gone.
PATIENCE = timedelta(minutes=2)


def finish_orders(app: Flask) -> int:
    """One round over what nobody works on; how many orders were brought to an end."""
    finished = 0
    while True:
        with app.app_context():
            if (order_id := _claimed(orders.claim)) is None:
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


def finish_payments(app: Flask) -> int:
    """Intents whose answer was lost, payments that are too old or to end, refunds that were decided; how many."""
    if app.extensions["gateway"] is None:
        return 0
    return _each(app, ledger.claim, collecting.work) + _each(app, ledger.claim_refund, refunding.send)


def _each(app: Flask, claim: Callable[[], int | None], work: Callable[[int], None]) -> int:
    done = 0
    while True:
        with app.app_context():
            if (claimed := _claimed(claim)) is None:
                return done
            try:
                work(claimed)
                done += 1
            except Problem as error:
                # Its grace over, it comes up again.
                db.session.rollback()
                log.warning("payment not finished", extra={"claimed": claimed, "code": error.code})


def _claimed(claim: Callable[[], int | None]) -> int | None:
    """What is to be done next for payments; nothing where they are owned elsewhere."""
    if not ownership.is_here("payments"):
        return None
    claimed = claim()
    db.session.commit()
    return claimed


def tidy(app: Flask) -> None:
    """Throw away what is of long ago or limits nobody any more, as far as it is owned here."""
    with app.app_context():
        if ownership.is_here("users"):
            phone.forget()
            limits.forget()
            telling.forget("users")
            db.session.commit()
        if ownership.is_here("payments"):
            ledger.forget_events()
            telling.forget("payments")
            db.session.commit()


def run(app: Flask) -> None:
    pause = threading.Event()
    tidying = 0.0
    while True:
        try:
            finish_payments(app)
            finish_orders(app)
            if time.monotonic() >= tidying:
                tidy(app)
                tidying = time.monotonic() + TIDYING_SECONDS
        except (DBAPIError, PoolExhausted) as error:
            # A domain that moves away between the look and the claim: the next look sees it.
            if not isinstance(error, DBAPIError) or sqlstate(error) != FENCED:
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
