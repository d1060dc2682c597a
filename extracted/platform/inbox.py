"""Hearing of something once: a row in the transaction that acts on it."""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.postgresql import insert

from extracted.platform.event import Event


def is_new(connection: Connection, table: Table, event: Event) -> bool:
    """Note the event as received, in the transaction that acts on it; False if that was done before.

    The table's columns: message_id uuid primary key, type text, received_at timestamptz default now().
    """
    row = {"message_id": event.id, "type": event.type}
    statement = insert(table).values(row).on_conflict_do_nothing(index_elements=[table.c.message_id])
    return connection.execute(statement.returning(table.c.message_id)).first() is not None
