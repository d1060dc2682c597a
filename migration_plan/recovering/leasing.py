"""The leases of domains for as long as something is done to them that nobody else may meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from migration_plan.errors import FigError, LeaseHeld, LeaseLost
from migration_plan.journal.journal import Lease
from migration_plan.parts import Parts
from migration_plan.recovering.controller import LEASE_SECONDS


class Held:
    """Leases that are kept up until the block ends."""

    def __init__(self, leases: Sequence[Lease]) -> None:
        self._leases = leases

    def demand(self) -> None:
        """LeaseLost if somebody has one of them by now. Asked before each step that cannot be taken back."""
        for lease in self._leases:
            if not lease.journal.renew(lease):
                raise LeaseLost(lease.domain)


@contextmanager
def alone_on(domains: Sequence[Parts], say: Callable[[str], None]) -> Iterator[Held]:
    """All of their leases, or LeaseHeld naming who has one. Those of somebody who died are waited for."""
    with ExitStack() as held:
        leases = []
        for parts in domains:
            # Kept up from the first one on: the last one may have to be waited for.
            leases.append(lease := acquired(parts, say))
            held.callback(parts.journal.give_back, lease)
            held.enter_context(kept_up(lease))
        yield Held(leases)


def acquired(parts: Parts, say: Callable[[str], None]) -> Lease:
    """The domain's lease; LeaseHeld if somebody keeps it up. That of somebody who died is waited for."""
    deadline, pause = time.monotonic() + 2 * LEASE_SECONDS, threading.Event()
    while True:
        try:
            return parts.journal.acquire(parts.domain, LEASE_SECONDS)
        except LeaseHeld as held:
            if time.monotonic() > deadline:
                raise
            say(held.message)
            pause.wait(0.2)


@contextmanager
def kept_up(lease: Lease) -> Iterator[None]:
    """The lease, for as long as this takes."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(LEASE_SECONDS / 3):
            try:
                lease.journal.renew(lease)
            except FigError:
                continue  # A journal that is away gives the lease to nobody else either.

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
