"""How far a copy is, and for how long it will go on; from the process itself, or from the target's record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from cdc.copying import snapshot_record


@dataclass(frozen=True)
class SnapshotProgress:
    """How far a copy is. `rows_expected` is an estimate and never less than `rows`."""

    task: str
    """"initial", or the table that is refilled."""
    table: str
    """The target table that was worked on last."""
    tables_done: int
    tables: int
    rows: int
    """Rows of finished units, those that were found as they should be included."""
    rows_expected: int
    table_bytes: int
    """Copied into `table` so far."""
    bytes: int
    """Copied so far, of all tables."""
    seconds: float
    """Since this attempt began."""
    is_complete: bool = False
    is_running: bool = True
    """A process works on it. False and not complete: it died; the next copy goes on."""

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return 1.0 if self.is_complete else min(1.0, self.rows / max(1, self.rows_expected))

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """None while nothing is known."""
        if self.is_complete:
            return 0.0
        return (self.rows_expected - self.rows) / self.rows_per_second if self.rows else None

    @property
    def line(self) -> str:
        """For people."""
        left = self.seconds_left
        ends = "" if left is None or self.is_complete else f", about {left:.0f} s left"
        return (
            f"snapshot: {self.tables_done}/{self.tables} tables, {self.rows:,} of about {self.rows_expected:,} rows,"
            f" {self.bytes:,} bytes{ends}"
        )

    def as_json(self) -> dict[str, object]:
        left = self.seconds_left
        return {
            "task": self.task, "table": self.table, "tables_done": self.tables_done, "tables": self.tables,
            "rows": self.rows, "rows_expected": self.rows_expected, "bytes": self.bytes,
            "seconds": round(self.seconds, 1), "rows_per_second": round(self.rows_per_second),
            "seconds_left": None if left is None else round(left, 1), "share": round(self.share, 4),
            "is_complete": self.is_complete, "is_running": self.is_running,
        }  # fmt: skip


OnSnapshot = Callable[[SnapshotProgress], None]


class Counter:
    """Counts for the progress, from several threads."""

    def __init__(self, task: str, on_progress: OnSnapshot) -> None:
        self._task = task
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._left: dict[str, int] = {}
        self._bytes: dict[str, int] = {}
        self._table = ""
        self._rows = 0
        self._expected = 0

    def expect(self, table: str, rows: int) -> None:
        """One more unit of about so many rows."""
        self._left[table] = self._left.get(table, 0) + 1
        self._expected += rows

    def copied(self, table: str, size: int) -> None:
        with self._lock:
            self._table = table
            self._bytes[table] = self._bytes.get(table, 0) + size

    def done(self, table: str, rows: int) -> None:
        """A unit is finished."""
        with self._lock:
            self._table = table
            self._left[table] -= 1
            self._rows += rows

    def tell(self) -> None:
        with self._lock:
            said = SnapshotProgress(
                self._task, self._table, sum(not left for left in self._left.values()), len(self._left), self._rows,
                max(self._expected, self._rows), self._bytes.get(self._table, 0), sum(self._bytes.values()),
                time.monotonic() - self._began,
            )  # fmt: skip
        self._on_progress(said)


_READ = """
    select s.task, coalesce((array_agg(u.target order by u.done_at desc nulls last))[1], ''),
           count(distinct u.target) - count(distinct u.target) filter (where u.state in ('waiting', 'pruned')),
           count(distinct u.target), coalesce(sum(u.rows), 0)::bigint,
           greatest(s.rows_expected, coalesce(sum(u.rows), 0))::bigint, coalesce(sum(u.bytes), 0)::bigint,
           extract(epoch from coalesce(s.completed_at, clock_timestamp()) - s.began_at)::float8,
           s.completed_at is not null
    from fig.snapshot s left join fig.snapshot_unit u using (stream, task)
    where s.stream = %s group by s.stream, s.task, s.rows_expected, s.completed_at, s.began_at
    order by s.completed_at is not null, s.began_at desc
"""


def read(target: psycopg.Connection[Any], stream: str) -> tuple[SnapshotProgress, ...]:
    """Every copy that the target remembers for this stream, unfinished ones first."""
    known = target.execute("select to_regclass('fig.snapshot')").fetchone()
    if known is None or known[0] is None:
        return ()
    running = snapshot_record.is_running(target, stream)
    made = []
    for row in target.execute(_READ, [stream]).fetchall():
        task, table, done, tables, rows, expected, size, seconds, complete = row
        alive = running and not complete
        made.append(SnapshotProgress(task, table, done, tables, rows, expected, 0, size, seconds, complete, alive))
    return tuple(made)
