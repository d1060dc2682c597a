"""Bringing a side's database back to the state in which every sequence begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg


@contextmanager
def clearing(dsn: str, statements: str) -> Iterator[Callable[[], None]]:
    """A function that empties tables; deleting a few rows is much quicker than truncating.

    The side's background work goes on meanwhile and takes rows in an order of its own. If each waits for the other,
    the server ends one of them; where it is us, nothing of it has happened, and they have what they wanted.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:

        def clear() -> None:
            is_clear = False
            while not is_clear:
                with suppress(psycopg.errors.DeadlockDetected):
                    connection.execute(statements.encode())
                    is_clear = True

        yield clear
