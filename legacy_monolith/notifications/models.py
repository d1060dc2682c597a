"""Messages to people, what they want to hear of, and the events that were heard."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, DateTime, ForeignKey, Index, Integer, Text, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from legacy_monolith.database import db


class NotificationPreferences(db.Model):  # type: ignore[name-defined]
    """Who never chose has no row, and the defaults."""

    __tablename__ = "notification_preferences"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    email_orders: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    email_sales: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    email_account: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    sms_orders: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    sms_sales: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class NotificationMessage(db.Model):  # type: ignore[name-defined]
    """pending -> sending -> sent | pending (again later) | failed | in_doubt; pending -> skipped.

    `sending` is committed before anything leaves: a message in this state that nobody works on is in doubt, and what is
    in doubt is never sent again.
    """

    __tablename__ = "notification_messages"
    __table_args__ = (
        CheckConstraint("channel in ('email', 'sms')", name="channel"),
        CheckConstraint("state in ('pending', 'sending', 'sent', 'failed', 'in_doubt', 'skipped')", name="state"),
        CheckConstraint("attempts between 0 and 5", name="attempts"),
        Index("notification_messages_user_id_created_at_id_idx", "user_id", "created_at", "id"),
        Index("notification_messages_unread_idx", "user_id", postgresql_where=text("read_at is null")),
        Index("notification_messages_due_idx", "next_attempt_at", postgresql_where=text("next_attempt_at is not null")),
        Index("notification_messages_claimed_idx", "claimed_at", postgresql_where=text("state = 'sending'")),
        Index("notification_messages_reference_idx", "reference", postgresql_where=text("reference is not null")),
    )

    # From the event, the receiver and the channel: the same message is one row.
    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    event_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)
    # Where it went. Before that null, unless it is for an address that is the user's no more.
    recipient: Mapped[str | None] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    # When the background process looks at it; null: nothing is left to do.
    next_attempt_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    claimed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # The mail's Message-ID, or what the carrier calls the text message.
    reference: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    read_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Null: nobody's request has led to it.
    traceparent: Mapped[str | None] = mapped_column(Text)


class NotificationsInbox(db.Model):  # type: ignore[name-defined]
    """Events that were acted on, each written with its messages: none is acted on twice."""

    __tablename__ = "notifications_inbox"
    __table_args__ = (Index("notifications_inbox_received_at_idx", "received_at"),)

    message_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
