"""The service side: a domain that writes down what it hears, and ticks while it owns."""

from __future__ import annotations

import uuid
from typing import Any

import eventlet
from sqlalchemy import Column, DateTime, MetaData, Table, Text, Uuid, text

from extracted.platform import inbox
from extracted.platform.database import Database
from extracted.platform.dependencies import DatabaseOf
from extracted.platform.event import Event
from extracted.platform.events import event_inbox
from extracted.platform.http import http
from extracted.platform.problems import document
from extracted.platform.request import Request
from extracted.platform.timers import owner_timer

INBOX = Table(
    "inbox",
    MetaData(),
    Column("message_id", Uuid, primary_key=True),
    Column("type", Text),
    Column("received_at", DateTime(timezone=True)),
)


class DiaryService:
    name = "notifications"

    database: Database = DatabaseOf("DIARY_DATABASE_URL")

    @http("GET", "/alive")
    def alive(self, request: Request) -> Any:
        return document({"alive": True})

    @event_inbox(sources=("users", "payments"), retry_seconds=0.2)
    def receive(self, event: Event) -> None:
        with self.database.write() as connection:
            if not inbox.is_new(connection, INBOX, event):
                return
            values = {"event": event.id, "type": event.type}
            if connection.execute(text("select 1 from trouble where type = :type"), values).first():
                raise ValueError("it cannot be written down")
            connection.execute(text("insert into diary (event, type) values (:event, :type)"), values)

    @owner_timer(0.1)
    def tick(self) -> None:
        run = {"run": uuid.uuid4()}
        with self.database.write() as connection:
            connection.execute(text("insert into tick (run) values (:run)"), run)
        eventlet.sleep(0.3)
        with self.database.write() as connection:
            connection.execute(text("update tick set ended = clock_timestamp() where run = :run"), run)
