"""Where faults happen: a stack, people in its shop, and a verdict after each case."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from types import TracebackType

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from migration_plan.lifecycle import Side
from tests.load.crowd import Size
from tests.load.moving import Moving
from tests.load.watched import WatchedShop
from tests.support.faults import Controller
from tests.support.history import Violation
from tests.support.stack import Stack
from tests.support.waiting import wait_until

# Enough that something is always under way, little enough for two cores that also run the fault.
PEOPLE = Size(shoppers=6, sellers=4, visitors=2, rate=50.0, buying=0.2)


class Arena:
    """One for all cases of a module: between two cases people stand still and everything comes to rest."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.moving = Moving(stack)
        self._size = replace(PEOPLE, name=f"{name}-{os.getpid()}")
        self._known: set[Violation] = set()
        self._exit = ExitStack()

    def __enter__(self) -> Arena:
        self.moving.begin_sync()
        self.watched = self._exit.enter_context(WatchedShop(self.stack.env, self._size))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def prepare(self, giver: Side) -> int:
        """Everything well and `giver` the owner; the journal's line from which the case begins."""
        self.stack.wait_until_healthy()
        self.moving.give_to(giver)
        return self.moving.last_entry()

    def people(self) -> AbstractContextManager[None]:
        return self.watched.people()

    @contextmanager
    def controller(self, giver: Side, checkpoint: str, number: signal.Signals, victim: int = 0) -> Iterator[Controller]:
        forward = giver is Side.MONOLITH
        struck = Controller.start(self.stack.env, self.moving.domain, forward, checkpoint, number, victim)
        try:
            yield struck
        finally:
            struck.end()

    def wait_until_recovered(self, since: int, seconds: float = 40) -> None:
        wait_until(lambda: self.moving.recoveries(since), seconds, "the stack's controller recovers", every=0.05)

    def wait_until_owner(self, side: Side, seconds: float = 40) -> None:
        """By this side's own row, whatever the journal and the other side say."""
        dsn = self.stack.env["FIG_MONOLITH_DSN" if side is Side.MONOLITH else "FIG_CATALOG_DSN"]

        def owns() -> bool:
            with psycopg.connect(dsn, autocommit=True) as connection:
                row = connection.execute(
                    "select state from fig.domain where domain = %s", [self.moving.domain]
                ).fetchone()
            return row == ("owner",)

        wait_until(owns, seconds, f"{side} owns", every=0.05)

    @contextmanager
    def journal_away(self) -> Iterator[None]:
        """The journal's database lets nobody in, and whoever is in is thrown out; its server goes on."""
        journal = str(conninfo_to_dict(self.stack.env["FIG_JOURNAL_DSN"])["dbname"])
        admin = make_conninfo(self.stack.env["FIG_CATALOG_ADMIN_DSN"], dbname="postgres")
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"alter database {journal} allow_connections false")
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [journal])
            try:
                yield
            finally:
                connection.execute(f"alter database {journal} allow_connections true")

    def wait_for_writes(self, number: int, seconds: float = 60) -> None:
        """People have made so many more changes."""
        before = self.watched.acknowledged_writes()
        wait_until(lambda: self.watched.acknowledged_writes() >= before + number, seconds, "people write on", every=0.2)

    def admin_dsn(self, side: Side) -> str:
        return self.stack.env["FIG_MONOLITH_ADMIN_DSN" if side is Side.MONOLITH else "FIG_CATALOG_ADMIN_DSN"]

    @contextmanager
    def nothing_flushed(self, side: Side) -> Iterator[None]:
        """The side's WAL writer is frozen: what commits asynchronously stays in memory until something flushes."""
        with psycopg.connect(self.admin_dsn(side), autocommit=True) as connection:
            row = connection.execute("select pid from pg_stat_activity where backend_type = 'walwriter'").fetchone()
        assert row, f"no WAL writer on the {side} side"
        os.kill(row[0], signal.SIGSTOP)
        try:
            yield
        finally:
            # The crash has taken it along, unless the case failed before.
            with suppress(ProcessLookupError):
                os.kill(row[0], signal.SIGCONT)

    def wait_for_unflushed(self, side: Side, seconds: float = 30) -> None:
        """Something is in the WAL's memory that is not on disk."""
        with psycopg.connect(self.admin_dsn(side), autocommit=True) as connection:

            def unflushed() -> bool:
                row = connection.execute("select pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()").fetchone()
                return bool(row and row[0])

            wait_until(unflushed, seconds, f"rows in memory only on the {side} side", every=0.001)

    def new_violations(self) -> list[Violation]:
        """Judge everything since the beginning; what an earlier case broke is not held against this one."""
        verdict = self.watched.judge(faultless=False)
        new = [violation for violation in verdict.violations if violation not in self._known]
        self._known.update(new)
        return new

    def expect_no_broken_promise(self) -> None:
        new = self.new_violations()
        assert not new, "\n".join(map(str, new[:20]))


def server_of(side: Side) -> str:
    """The process that holds a side's rows."""
    return "pg-monolith" if side is Side.MONOLITH else "pg-services"
