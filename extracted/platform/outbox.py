"""Telling others: a row in the caller's transaction. What reads the database's log publishes it; no service does."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.postgresql import insert

from extracted.platform.event import Event

log = logging.getLogger(__name__)


def add(connection: Connection, table: Table, event: Event) -> None:
    """Tell it if the transaction commits; the same event told again is told once.

    The table's columns: id uuid primary key, type text, payload jsonb, created_at timestamptz default now().
    """
    log.info("telling", extra={"event": str(event.id), "type": event.type})
    row = {"id": event.id, "type": event.type, "payload": event.document()}
    connection.execute(insert(table).values(row).on_conflict_do_nothing(index_elements=[table.c.id]))
