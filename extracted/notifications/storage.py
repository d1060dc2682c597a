"""The tables of notifications."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Enum, Integer, MetaData, Table, Text, Uuid

metadata = MetaData()

message = Table(
    "message",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("receiver_id", BigInteger),
    Column("event_id", Uuid),
    Column("kind", Text),
    Column("channel", Enum("email", "sms", name="message_channel")),
    # Where it went. Before that null, unless it is for an address that is the user's no more.
    Column("address", Text),
    Column("title", Text),
    Column("body", Text),
    Column("status", Enum("queued", "sending", "sent", "failed", "unknown", "suppressed", name="message_status")),
    Column("attempts", Integer),
    # When it is looked at; null: nothing is left to do.
    Column("due_at", DateTime(timezone=True)),
    Column("claimed_at", DateTime(timezone=True)),
    # The mail's Message-ID, or what the carrier calls the text message.
    Column("reference", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("sent_at", DateTime(timezone=True)),
    Column("read_at", DateTime(timezone=True)),
    # Null: nobody's request has led to it.
    Column("traceparent", Text),
)
preference_owner = Table(
    "preference_owner",
    metadata,
    Column("user_id", BigInteger, primary_key=True),
    Column("updated_at", DateTime(timezone=True)),
)
preference = Table(
    "preference",
    metadata,
    Column("user_id", BigInteger, primary_key=True),
    Column("channel", Enum("email", "sms", name="preference_channel"), primary_key=True),
    Column("topic", Enum("orders", "sales", "account", name="preference_topic"), primary_key=True),
    Column("enabled", Boolean),
)
inbox = Table(
    "inbox",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("type", Text),
    Column("received_at", DateTime(timezone=True)),
)
