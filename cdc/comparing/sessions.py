"""Questions to both sides at once, each side by one session or by several that see the same snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeAlias

from psycopg import Connection

Rows: TypeAlias = list[Any]
Both: TypeAlias = tuple[Connection[Any], Connection[Any]]
"""A session of the source and one of the target."""


class Sessions:
    """A session answers one question after the other; the sides do not wait for each other."""

    def __init__(self, pairs: Sequence[Both]) -> None:
        self._idle: tuple[SimpleQueue[Connection[Any]], ...] = (SimpleQueue(), SimpleQueue())
        self._threads = tuple(ThreadPoolExecutor(len(pairs), "fig-verify") for _ in self._idle)
        for pair in pairs:
            for idle, connection in zip(self._idle, pair, strict=True):
                idle.put(connection)
        self.ahead = 2 * len(pairs)
        """How many questions each side should have before its answers are waited for."""

    def __enter__(self) -> Sessions:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for threads in self._threads:
            threads.shutdown(cancel_futures=True)

    def ask(self, side: int, query: str, parameters: tuple[Any, ...]) -> Future[Rows]:
        """0 is the source, 1 the target."""
        return self._threads[side].submit(self._answer, self._idle[side], query, parameters)

    def with_source(self, act: Callable[[Connection[Any]], Any]) -> Any:
        """Something else that needs a session of the source."""
        connection = self._idle[0].get()
        try:
            return act(connection)
        finally:
            self._idle[0].put(connection)

    @staticmethod
    def _answer(idle: SimpleQueue[Connection[Any]], query: str, parameters: tuple[Any, ...]) -> Rows:
        connection = idle.get()
        try:
            # Never prepared: a generic plan knows nothing of the range and may read the whole table for each chunk.
            return connection.execute(query.encode(), parameters, prepare=False).fetchall()
        finally:
            idle.put(connection)
