"""Several queries in one message: one way there and back, however many they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from psycopg import ClientCursor, Connection
from psycopg.rows import RowFactory

Row = TypeVar("Row")


def ask(
    connection: Connection[Any], queries: Iterable[str], row_factory: RowFactory[Row],
    parameters: Mapping[str, object] | None = None,
) -> list[list[Row]]:  # fmt: skip
    """The rows of each query that has some to give, in order; all with the same parameters.

    The first error ends it and is raised as its own, and outside a transaction nothing of any of them stays.
    """
    # Only a simple query may hold several statements, and it has no parameters but those written into its text.
    cursor = ClientCursor(connection, row_factory=row_factory)
    cursor.execute(";\n".join(queries).encode(), parameters)
    return [result.fetchall() for result in cursor.results() if result.description is not None]
