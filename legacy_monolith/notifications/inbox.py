"""Events that are heard become messages, once each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, insert, text
from sqlalchemy.dialects.postgresql import insert as insert_or

from legacy_monolith import event as events
from legacy_monolith import trace
from legacy_monolith.database import db
from legacy_monolith.event import Event
from legacy_monolith.notifications import addressing, preferences
from legacy_monolith.notifications.addressing import Message
from legacy_monolith.notifications.models import NotificationMessage, NotificationsInbox

# Longer than anything is told again.
_FORGET = text("delete from notifications_inbox where received_at < now() - interval '60 days'")


def receive(document: Mapping[str, Any]) -> None:
    """An event from the broker: all that follows from it is committed, or it raises and nothing is.

    The fence raises SF421 from here as from any write; UnreadableEvent will not get better.
    """
    try:
        take(events.read(document))
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise


def take(event: Event) -> None:
    """In the present transaction: the event, noted as heard, and its messages. Heard before, it changes nothing."""
    user_id = addressing.receiver(event)
    heard = insert_or(NotificationsInbox).values(message_id=event.id, type=event.type).on_conflict_do_nothing()
    if db.session.execute(heard.returning(NotificationsInbox.message_id)).first() is None:
        return
    messages = addressing.messages(event, preferences.of(user_id))
    if messages:
        db.session.execute(insert(NotificationMessage).values([_row(message, event) for message in messages]))


def forget() -> None:
    """Events of long ago."""
    db.session.execute(_FORGET)


def _row(message: Message, event: Event) -> dict[str, Any]:
    return {
        "id": message.id,
        "user_id": message.user_id,
        "event_id": message.event_id,
        "kind": message.kind,
        "channel": message.channel,
        "recipient": message.recipient,
        "subject": message.subject,
        "body": message.body,
        "state": "pending" if message.is_wanted else "skipped",
        "next_attempt_at": func.now() if message.is_wanted else None,
        "read_at": func.now() if message.is_companion else None,
        # Not when it was heard: events of several outboxes, or tried again, come in another order than they happened.
        "created_at": func.least(event.occurred_at, func.now()),
        "traceparent": trace.onward() or None,
    }
