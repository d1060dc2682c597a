"""Many requests at one moment: all stand before a row's lock, and then are let in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg

from tests.integration.monolith.shop import Shop
from tests.support.waiting import wait_until

Result = TypeVar("Result")

_WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


def at_once(shop: Shop, lock: str, acts: Sequence[Callable[[], Result]]) -> list[Result]:
    """What came of `acts`, all of which were under way when the rows that `lock` locks became free."""
    with (
        ThreadPoolExecutor(len(acts)) as threads,
        psycopg.connect(shop.server.dsn(shop.database)) as gate,
    ):
        assert gate.execute(lock).fetchall(), "there is nothing to wait for"
        running = [threads.submit(act) for act in acts]
        wait_until(lambda: shop.query(_WAITING) == [(len(acts),)], 20, "everybody stands before the lock")
        gate.rollback()
        return [act.result() for act in running]
