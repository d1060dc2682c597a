"""One table on both sides: checksums of chunks, then the rows of a chunk that differs, then their columns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeAlias

from cdc.comparing.difference import Difference, Kind, cut
from cdc.comparing.sessions import Rows, Sessions
from cdc.comparing.view import Key, Range, View
from cdc.copying.snapshot_plan import ranges
from cdc.projection import Projection

CHUNK_ROWS = 20_000
"""At most so many rows are looked at one by one."""
UNIT_BYTES = 8 * 1024 * 1024
"""Of the source's table: what one checksum is made of."""

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
    sessions: Sessions
    views: tuple[View, View]
    chunk_rows: int
    unit_bytes: int
    within: Range = Range()  # noqa: RUF009  A value.

    def differences(self, tally: Tally) -> Iterator[Difference]:
        """In the order of the keys. Both sides work ahead of what is looked at here."""
        asked: deque[tuple[Range, list[Future[Rows]]]] = deque()
        for unit in self._units():
            asked.append((unit, self._ask(View.digest, unit)))
            if len(asked) > self.sessions.ahead:
                yield from self._judge(*asked.popleft(), tally)
        while asked:
            yield from self._judge(*asked.popleft(), tally)

    def _units(self) -> list[Range]:
        if self.within.keys is not None:
            return [self.within]
        plan = self.sessions.with_source
        found, _rows = plan(lambda source: ranges(self.views[0], source, self.unit_bytes, self.within))
        return list(found)

    def _judge(self, unit: Range, answers: Sequence[Future[Rows]], tally: Tally) -> Iterator[Difference]:
        source, target = (answer.result() for answer in answers)
        if source != target and not self.projection.key:
            yield from self._without_key(source[0][0], target[0][0])
        elif source != target:
            yield from self._in_unit(unit, max(source[0][0], target[0][0]))
        tally.add(source[0][0])

    def _without_key(self, source: int, target: int) -> Iterator[Difference]:
        """Rows that nothing tells apart can only be counted."""
        if source >= target:
            yield self._difference((), None, Kind.MISSING)
        if source <= target:
            yield self._difference((), None, Kind.SURPLUS)

    def _in_unit(self, unit: Range, rows: int) -> Iterator[Difference]:
        if rows <= self.chunk_rows:
            yield from self._in_chunk(unit, surplus=False)
            return
        for chunk in self._chunks(0, unit):
            source, target = self._both(View.digest, chunk)
            if source != target:
                yield from self._in_chunk(chunk, surplus=target[0][0] > self.chunk_rows)

    def _chunks(self, side: int, within: Range) -> Iterator[Range]:
        """Ranges that cover `within` without a gap, of at most `chunk_rows` rows on this side."""
        after = within.after
        while True:
            rest = replace(within, after=after)
            query = self.views[side].boundary(rest, self.chunk_rows)
            found = self.sessions.ask(side, query, rest.parameters).result()
            if not found:
                yield rest
                return
            yield replace(within, after=after, upto=tuple(found[0]))
            after = tuple(found[0])

    def _in_chunk(self, chunk: Range, surplus: bool) -> Iterator[Difference]:
        """A chunk that is small on the source can hold any number of surplus rows: these are cut by the target."""
        for smaller in self._chunks(1, chunk) if surplus else [chunk]:
            source, target = (
                {tuple(key): row_hash for row_hash, *key in rows} for rows in self._both(View.hashes, smaller)
            )
            for key in sorted(source.keys() | target.keys()):
                if key not in target:
                    yield self._difference(key, None, Kind.MISSING)
                elif key not in source:
                    yield self._difference(key, None, Kind.SURPLUS)
                elif source[key] != target[key]:
                    yield from self._in_row(key)

    def _in_row(self, key: Key) -> Iterator[Difference]:
        answers = [self.sessions.ask(side, view.row(), key) for side, view in enumerate(self.views)]
        (source,), (target,) = (answer.result() for answer in answers)
        for column, one, other in zip(self.projection.columns, source, target, strict=True):
            if one != other:
                yield self._difference(key, column.target, Kind.DIFFERS, *cut(one, other))

    def _difference(self, key: Key, column: str | None, kind: Kind, *values: str | None) -> Difference:
        named = tuple((target, value) for (_, target), value in zip(self.projection.key, key, strict=True))
        return Difference(self.projection.target, named + self.projection.pinned, column, kind, *values)

    def _ask(self, query: Callable[[View, Range], str], within: Range) -> list[Future[Rows]]:
        return [self.sessions.ask(side, query(view, within), within.parameters) for side, view in enumerate(self.views)]

    def _both(self, query: Callable[[View, Range], str], within: Range) -> list[Rows]:
        """The same question to both sides at once."""
        return [answer.result() for answer in self._ask(query, within)]
