"""Looks at a slot and at what is decided about its stream; gives it up before it fills the source's disk (I10)."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from cdc import control
from cdc.capture import slots
from cdc.capture.budget import Budget, SlotFigures, limit
from cdc.control import Control, Event
from cdc.position import parse_lsn

LOOK_EVERY = 0.5

_SLOT = """
    select s.slot_name is not null, coalesce(s.active, false), coalesce(s.wal_status, ''),
           pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn)::bigint,
           pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.confirmed_flush_lsn)::bigint, s.safe_wal_size,
           pg_size_bytes(nullif(current_setting('max_slot_wal_keep_size'), '-1')),
           pg_current_wal_insert_lsn()::text, clock_timestamp(), to_regclass('fig.stream_control') is not null,
           case when s.slot_name is not null and pg_has_role('pg_read_all_settings', 'USAGE')
                then current_setting('data_directory') end
    from (select 1) one left join pg_replication_slots s on s.slot_name = %s and s.database = current_database()
"""


@dataclass(frozen=True)
class Look:
    """What was seen at one moment."""

    slot: SlotFigures
    control: Control
    end: int
    """The end of the source's WAL."""
    source_time: datetime


def look(connection: psycopg.Connection[Any], name: str, slot: str) -> Look:
    """The slot's figures and the decision about its stream. Asked all the time, for each slot: in few statements."""
    row = connection.execute(_SLOT, [slot]).fetchone()
    assert row is not None  # noqa: S101 - a join from one row has one.
    figures, (end, source_time, is_decided, data) = SlotFigures(*row[:7]), row[7:]
    if data is not None:
        figures = replace(figures, free_disk=free_disk(connection.info.host, data))
    decided = control.read_installed(connection, name) if is_decided else Control()
    return Look(figures, decided, parse_lsn(end), source_time)


def free_disk(host: str, data: str) -> int | None:
    """Bytes that are free under the WAL of a server, if it runs on this machine and its data directory is known."""
    if host not in ("", "localhost") and not host.startswith(("127.", "/", "::1")):
        return None
    for folder in (f"{data}/pg_wal", data):
        try:
            found = os.statvfs(folder)
        except OSError:
            continue  # Closed to us: the next best is the data directory itself, or nothing.
        return found.f_bavail * found.f_frsize
    return None


def give_up(connection: psycopg.Connection[Any], name: str, slot: str, budget: Budget, seen: Look) -> str:
    """Take the slot from whoever holds it, so that the source may forget. Gives the reason.

    First the decision, then the deed: after a crash in between, the next look finds the slot over its budget again.
    """
    times, reason = seen.control.times + 1, why(budget, seen.slot)
    control.move(connection, name, Event.OVER_BUDGET, "wal-budget", reason, budget.pause_after(times), times)
    slots.take_away(connection, slot)
    return reason


def why(budget: Budget, slot: SlotFigures) -> str:
    """In words and figures."""
    if slot.wal_status in ("unreserved", "lost"):
        return f"the server's max_slot_wal_keep_size is used up (wal_status {slot.wal_status})"
    return f"its slot keeps {slot.retained or 0:,} bytes of WAL; its budget here is {limit(budget, slot):,}"
