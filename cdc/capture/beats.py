"""The source's beats are counted there, and the target keeps the last one that it has reached: by that a source shows
itself that came back from the past with the same server, timeline, log and slot (the image of a disk, copied back).

    counting = Counting(spec, connection)     # beside a heartbeat, with its connection to the source
    counting.tick()                           # now and then: one more beat, or the last one remembered by the target

A beat is remembered only once the target has applied all that the source had committed when it was counted. So a source
that knows fewer beats than its target lacks something that the target has; nothing else looks like that.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import psycopg

from cdc import position, servers
from cdc.errors import CdcError
from cdc.masking import said
from cdc.spec import StreamSpec

_log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two beats: what may be lost unnoticed with a disk's image."""

_BEAT = """
    insert into fig.heartbeat as h (slot, beats) values (%s, 1)
    on conflict (slot) do update set beats = h.beats + 1 returning beats
"""
_REMEMBER = """
    insert into fig.heard as h (stream, beats)
    select stream, %s from fig.position where stream = %s and lsn >= %s::pg_lsn
    on conflict (stream) do update set beats = greatest(h.beats, excluded.beats) returning beats
"""
# Both counts outlive a crash of their servers; a target that is busy does not keep the heartbeat waiting.
_SETTINGS = "set synchronous_commit = on; set statement_timeout = '2s'"


def counted(connection: psycopg.Connection[Any], slot: str) -> int:
    """How many this source knows of; 0: none."""
    row = connection.execute("select beats from fig.heartbeat where slot = %s", [slot]).fetchone()
    return row[0] if row else 0


def forget(target: psycopg.Connection[Any], stream: str) -> None:
    """With the stream's position: a stream that starts over has reached no beat."""
    if _has(target, "fig.heard"):
        target.execute("delete from fig.heard where stream = %s", [stream])


def forget_counted(connection: psycopg.Connection[Any], slot: str) -> None:
    if _has(connection, "fig.heartbeat"):
        connection.execute("delete from fig.heartbeat where slot = %s", [slot])


class Counting:
    """For as long as one connection to the source lasts. A target that is away is no reason to raise: heartbeats go on,
    and nothing is counted meanwhile."""

    def __init__(self, spec: StreamSpec, connection: psycopg.Connection[Any]) -> None:
        self._spec = spec
        self._source = connection
        self._target: psycopg.Connection[Any] | None = None
        self._pending: tuple[int, str] | None = None
        self._due = 0.0
        self._has_complained = False

    def close(self) -> None:
        if self._target is not None:
            self._target.close()
            self._target = None

    def tick(self) -> None:
        """One beat, or the last one remembered, when it is time for it."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY
        try:
            self._count()
        except (CdcError, psycopg.Error) as error:
            if self._source.closed:
                raise
            if not self._has_complained:
                _log.warning("stream %s: heartbeats are not counted: %s", self._spec.name, said(error))
            self._has_complained = True
            self.close()

    def _count(self) -> None:
        if self._target is None:
            self._target = servers.connect(self._spec.target_dsn, "target", f"fig-heartbeat {self._spec.name}")
            self._target.execute(_SETTINGS)
            if not self._may_count(self._target):
                self.close()
                return
        beat = self._pending
        if beat is None or self._target.execute(_REMEMBER, [beat[0], self._spec.name, beat[1]]).fetchone():
            self._pending = self._beat()

    def _may_count(self, target: psycopg.Connection[Any]) -> bool:
        """Not what an earlier fig has set up; and a source from the past does not count up to where it was."""
        if not _has(target, "fig.heard") or not _has(self._source, "fig.heartbeat"):
            return False
        found = position.read(target, self._spec.name)
        return found is not None and found.heard <= counted(self._source, self._spec.slot)

    def _beat(self) -> tuple[int, str]:
        with self._source.transaction():
            self._source.execute("set local synchronous_commit = on")
            row = self._source.execute(_BEAT, [self._spec.slot]).fetchone()
        end = self._source.execute("select pg_current_wal_insert_lsn()::text").fetchone()
        assert row is not None and end is not None  # noqa: S101, PT018 - each has one.
        return row[0], end[0]


def _has(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute("select to_regclass(%s) is not null", [table]).fetchone()
    return bool(row and row[0])
