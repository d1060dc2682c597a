"""Events that are heard become messages, once each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, func, insert, text

from extracted.notifications import addressing
from extracted.notifications.addressing import Message
from extracted.notifications.preferences import choices_of
from extracted.notifications.storage import inbox, message
from extracted.platform import inbox as inboxes
from extracted.platform import trace
from extracted.platform.database import Database
from extracted.platform.event import Event

# Longer than anything is told again.
KEPT = text("interval '60 days'")


class Hearing:
    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, event: Event) -> None:
        """The event, noted as heard, and its messages, in one transaction. Heard before, it changes nothing."""
        receiver_id = addressing.receiver(event)
        with self._database.write() as connection:
            if inboxes.is_new(connection, inbox, event):
                _write(connection, event, addressing.messages(event, choices_of(connection, receiver_id)))

    def forget(self) -> None:
        """Events of long ago."""
        with self._database.write() as connection:
            connection.execute(delete(inbox).where(inbox.c.received_at < func.now() - KEPT))


def _write(connection: Connection, event: Event, messages: list[Message]) -> None:
    if messages:
        connection.execute(insert(message).values([_row(one, event) for one in messages]))


def _row(one: Message, event: Event) -> dict[str, Any]:
    return {
        "id": one.id,
        "receiver_id": one.user_id,
        "event_id": one.event_id,
        "kind": one.kind,
        "channel": one.channel,
        "address": one.recipient,
        "title": one.subject,
        "body": one.body,
        "status": "queued" if one.is_wanted else "suppressed",
        "due_at": func.now() if one.is_wanted else None,
        "read_at": func.now() if one.is_companion else None,
        # Not when it was heard: events of several outboxes, or tried again, come in another order than they happened.
        "created_at": func.least(event.occurred_at, func.now()),
        "traceparent": trace.onward() or None,
    }
