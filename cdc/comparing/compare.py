"""Compare both sides row by row, and name what differs: table, key, column.

Exact on a pair of snapshots of the same moment (`cdc.gate.exact.exact_pair`); on other connections, what is on
its way shows as a difference.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from psycopg import Connection, Error

from cdc.catalogue import Catalogue
from cdc.comparing.difference import Difference
from cdc.comparing.pair import CHUNK_ROWS, UNIT_BYTES, OnRows, Pair, Tally
from cdc.comparing.sessions import Both, Sessions
from cdc.comparing.view import Range, View, views
from cdc.errors import ComparisonFailed
from cdc.masking import of_database
from cdc.projection import Direction, Projection

MOST_DIFFERENCES = 100

# A value must have the same text on both servers, however they, their databases and their roles are set up.
_PINNED = {
    "DateStyle": "ISO, YMD",
    "TimeZone": "UTC",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmlbinary": "base64",
    # Compiling a checksum takes longer than computing one; several sessions share the work instead of its own workers.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}


@dataclass(frozen=True)
class Report:
    """What a comparison has found."""

    rows: int
    """Rows of the source that were compared, in the service's image."""
    differences: tuple[Difference, ...]
    is_complete: bool
    """False when the comparison ended at its limit of differences: there may be more."""
    seconds: float

    @property
    def count(self) -> int:
        return len(self.differences)

    def as_json(self) -> dict[str, object]:
        return {
            "rows": self.rows,
            "count": self.count,
            "differences": [difference.as_json() for difference in self.differences],
            "is_complete": self.is_complete,
            "seconds": self.seconds,
        }


def compare(
    source: Connection[Any],
    target: Connection[Any],
    projections: Iterable[Projection],
    direction: Direction = Direction.TO_SERVICE,
    *,
    chunk_rows: int = CHUNK_ROWS,
    unit_bytes: int = UNIT_BYTES,
    limit: int = MOST_DIFFERENCES,
    on_rows: OnRows = lambda done, expected: None,
    among: Iterable[Difference] | None = None,
    more: Sequence[Both] = (),
) -> Report:
    """Compare all rows, or those that were found to differ before (`among`). `projections` are always those
    TO_SERVICE; `direction` says which way rows flow now, and so which side is the source. Pins how both sessions
    write values. `more` pairs of sessions that see the same share the work."""
    started = time.monotonic()
    sides = [(source, target), *more]
    for connection in (connection for pair in sides for connection in pair):
        for name, value in _PINNED.items():
            connection.execute("select set_config(%s, %s, false)", [name, value])
    catalogues = Catalogue(source), Catalogue(target)
    wanted = [(p, Range() if among is None else range_of(p, among)) for p in projections]
    seen = [(p, within, _views(p, direction, *catalogues)) for p, within in wanted if within is not None]
    tally = Tally(on_rows, expected=sum(catalogues[0].estimate(view.table) for _, _, (view, _) in seen))

    def differences(sessions: Sessions) -> Iterator[Difference]:
        for projection, within, both in seen:
            pair = Pair(projection, sessions, both, chunk_rows, unit_bytes, within)
            try:
                yield from pair.differences(tally)
            except Error as error:
                raise ComparisonFailed(str(both[0].table), str(both[1].table), _said(error)) from error

    with Sessions(sides) as sessions:
        found = tuple(islice(differences(sessions), limit))
    return Report(tally.rows, found, len(found) < limit, time.monotonic() - started)


def _said(error: Error) -> str:
    """A lens that meets a value without counterpart says so in the text of the value that it fails to cast."""
    named = re.search(r'"no counterpart of (.+?) = ', str(error))
    return f"a value of {named.group(1)} has no counterpart" if named else of_database(error)


def range_of(projection: Projection, differences: Iterable[Difference]) -> Range | None:
    """The rows of this projection in which these differences are; None if there are none."""
    keys = []
    for difference in differences:
        named = dict(difference.key)
        if difference.table == projection.target and all(named.get(n) == label for n, label in projection.pinned):
            keys.append(tuple(named[target] for _, target in projection.key))
    if keys and not projection.key:
        return Range()
    return Range(keys=tuple(dict.fromkeys(keys))) if keys else None


def _views(projection: Projection, direction: Direction, source: Catalogue, target: Catalogue) -> tuple[View, View]:
    """What to read on the source and on the target."""
    if direction is Direction.TO_SERVICE:
        return views(projection, source.get(projection.source), target.get(projection.target))
    image, plain = views(projection, target.get(projection.source), source.get(projection.target))
    return plain, image
