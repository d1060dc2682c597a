"""What goes on without a request: it may die on any line, and any number may run: each step is decided in its row."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from extracted.payments import ledger, purchases, refunds
from extracted.payments.checkout import Checkout
from extracted.payments.collecting import Collecting
from extracted.payments.errors import ReservationLost
from extracted.payments.refunding import Refunding
from extracted.platform.database import Database
from extracted.platform.problems import Refusal

log = logging.getLogger(__name__)

# A checkout that nobody could finish for so long is given up: its buyer has gone.
PATIENCE = timedelta(minutes=2)


class Background:
    def __init__(self, database: Database, checkout: Checkout, collecting: Collecting, refunding: Refunding) -> None:
        self._database = database
        self._checkout = checkout
        self._collecting = collecting
        self._refunding = refunding

    def finish_purchases(self) -> None:
        """Checkouts and cancels that died halfway, and stock that has to come back."""
        self._each(purchases.claim, self._finish)

    def finish_payments(self) -> None:
        """Intents whose answer was lost, payments that are silent, too old or to end, refunds that were decided."""
        if self._collecting.takes_payments:
            self._each(ledger.claim, self._collecting.work)
            self._each(refunds.claim, self._refunding.send)

    def forget(self) -> None:
        with self._database.write() as connection:
            ledger.forget(connection)

    def _each(self, claim: Callable[[Connection], int | None], work: Callable[[int], None]) -> None:
        """One round over what nobody works on. What is not finished comes up again when its grace is over."""
        while (claimed := self._claimed(claim)) is not None:
            try:
                work(claimed)
            except (Refusal, ReservationLost) as error:
                level = logging.ERROR if isinstance(error, ReservationLost) else logging.WARNING
                facts = {"work": work.__name__, "claimed": claimed, "reason": str(error)}
                log.log(level, "not finished", extra=facts)

    def _claimed(self, claim: Callable[[Connection], int | None]) -> int | None:
        with self._database.write() as connection:
            return claim(connection)

    def _finish(self, purchase_id: int) -> None:
        with self._database.read() as connection:
            purchase = purchases.by_id(connection, purchase_id)
        if purchase and purchase.state == "opened" and datetime.now(UTC) - purchase.created_at > PATIENCE:
            self._checkout.expire(purchase_id)
        self._checkout.advance(purchase_id)
