"""Bringing a side's database back to the state in which every sequence begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def clearing(dsn: str, statements: str) -> Iterator[Callable[[], object]]:
    """A function that empties tables; deleting a few rows is much quicker than truncating."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield lambda: connection.execute(statements.encode())
