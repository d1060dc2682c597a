"""One table on both sides: checksums of chunks, then the rows of a chunk that differs, then their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from psycopg import Connection

from cdc.difference import Difference, Kind, cut
from cdc.projection import Projection
from cdc.verify_view import Key, Range, View

CHUNK_ROWS = 20_000

OnRows: TypeAlias = Callable[[int, int], None]
"""(rows compared, rows expected); the second one is an estimate."""


@dataclass
class Tally:
    """Rows compared so far, over all tables."""

    on_rows: OnRows
    expected: int
    rows: int = 0

    def add(self, rows: int) -> None:
        self.rows += rows
        self.on_rows(self.rows, max(self.expected, self.rows))


@dataclass(frozen=True)
class Pair:
    """Source and target, in this order, of one projection."""

    projection: Projection
    connections: tuple[Connection[Any], Connection[Any]]
    views: tuple[View, View]
    threads: ThreadPoolExecutor
    chunk_rows: int
    within: Range = Range()  # noqa: RUF009  A value.

    def differences(self, tally: Tally) -> Iterator[Difference]:
        for chunk in self._chunks(0, self.within):
            source, target = self._both(lambda view: view.digest(chunk), chunk.parameters)  # noqa: B023  Used at once.
            if source != target:
                yield from self._in_chunk(chunk, surplus=target[0][0] > self.chunk_rows)
            tally.add(source[0][0])

    def _chunks(self, side: int, within: Range) -> Iterator[Range]:
        """Ranges that cover `within` without a gap, of at most `chunk_rows` rows on this side."""
        after = within.after
        while True:
            rest = replace(within, after=after)
            query = self.views[side].boundary(rest, self.chunk_rows)
            found = _rows(self.connections[side], query, rest.parameters)
            if not found:
                yield rest
                return
            yield replace(within, after=after, upto=found[0])
            after = found[0]

    def _in_chunk(self, chunk: Range, surplus: bool) -> Iterator[Difference]:
        """A chunk that is small on the source can hold any number of surplus rows: these are cut by the target."""
        for smaller in self._chunks(1, chunk) if surplus else [chunk]:
            source, target = (
                {tuple(key): row_hash for row_hash, *key in rows}
                for rows in self._both(lambda view: view.hashes(smaller), smaller.parameters)  # noqa: B023
            )
            for key in sorted(source.keys() | target.keys()):
                if key not in target:
                    yield self._difference(key, None, Kind.MISSING)
                elif key not in source:
                    yield self._difference(key, None, Kind.SURPLUS)
                elif source[key] != target[key]:
                    yield from self._in_row(key)

    def _in_row(self, key: Key) -> Iterator[Difference]:
        (source,), (target,) = self._both(View.row, key)
        for column, one, other in zip(self.projection.columns, source, target, strict=True):
            if one != other:
                yield self._difference(key, column.target, Kind.DIFFERS, *cut(one, other))

    def _difference(self, key: Key, column: str | None, kind: Kind, *values: str | None) -> Difference:
        named = tuple((target, value) for (_, target), value in zip(self.projection.key, key, strict=True))
        return Difference(self.projection.target, named + self.projection.pinned, column, kind, *values)

    def _both(self, query: Callable[[View], str], parameters: Key) -> list[list[Any]]:
        """The same question to both sides at once."""
        asked = [
            self.threads.submit(_rows, connection, query(view), parameters)
            for connection, view in zip(self.connections, self.views, strict=True)
        ]
        return [future.result() for future in asked]


def _rows(connection: Connection[Any], query: str, parameters: Key) -> list[Any]:
    # Never prepared: a generic plan knows nothing of the range and may read the whole table for each chunk.
    return connection.execute(query.encode(), parameters, prepare=False).fetchall()
