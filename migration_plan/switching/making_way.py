"""What a switch waits for while nobody is held: its tables without locks of others, and a moment without writes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from migration_plan.errors import TablesBusy
from migration_plan.journal.journal import Lease
from migration_plan.lifecycle import Side
from migration_plan.parts import Parts
from migration_plan.sides.side import SideDatabase

SETTLE_SLICE = 2.0  # Seconds: autovacuum takes one to yield, and a lease lasts three.
QUIET_POLL = 0.01  # Seconds between two looks for a quiet moment; nobody is held, so it must not be a load.
BLOCKER_POLL = 0.02  # Seconds between two looks whether somebody's transaction has ended.


@dataclass(frozen=True)
class Way:
    """The way of one switch. Each wait keeps the lease up; `stop` raises where somebody has the switch end."""

    parts: Parts
    giver: Side
    lease: Lease
    stop: Callable[[], None]
    say: Callable[[str], None]

    def make(self, deadline: float) -> None:
        """Wait until no transaction is in the fence's or the grant's way; TablesBusy at `deadline` (monotonic)."""
        for side, database in self.parts.sides.items():
            said = self._send_maintenance_away(database, deadline)
            # The giver's own writers come and go; on the taker nobody but our streams has any business.
            patience = self.parts.plan.limits.fence_lock if side is self.giver else 0.0
            while blockers := [b for b in database.blockers(self.parts.domain) if b.in_the_way(patience)]:
                self.stop()
                if time.monotonic() > deadline:
                    raise TablesBusy(self.parts.domain, side, blockers)
                if not said:
                    self.say(f"waiting, nobody is held: {blockers[0]}")
                    said = True
                self.lease.journal.renew(self.lease)
                time.sleep(BLOCKER_POLL)

    def await_quiet_moment(self, bound: float) -> None:
        """Whoever is held waits for what is under way: begin, with nobody held yet, while nothing is.

        A busy site has no such moment; there it is one as quiet as the quietest of the first two thirds of `bound`.
        """
        self.lease.journal.renew(self.lease)
        began, least = time.monotonic(), math.inf
        while (busy := self._under_way()) and (waited := time.monotonic() - began) < bound:
            self.stop()
            if waited > bound * 2 / 3 and busy <= least:
                return
            least = min(least, busy)
            time.sleep(QUIET_POLL)

    def _send_maintenance_away(self, database: SideDatabase, deadline: float) -> bool:
        """Autovacuum yields at once; whoever else holds such a lock is waited for. Whether anybody was."""
        waited = False
        while True:
            self.stop()
            self.lease.journal.renew(self.lease)
            try:
                database.settle(self.parts.domain, SETTLE_SLICE)
                return waited
            except TablesBusy as busy:
                if time.monotonic() > deadline:
                    raise
                if not waited:
                    self.say(f"waiting, nobody is held: {busy}")
                waited = True

    def _under_way(self) -> int:
        """Writes in flight at the proxies, or else locks of the giver's own writers, whom no proxy may have seen."""
        locks, in_flight = self.parts.sides[self.giver].blockers, self.parts.requests_in_flight
        return in_flight() or len(locks(self.parts.domain)) or in_flight()
