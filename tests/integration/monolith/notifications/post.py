"""A shop that sends messages, and those who take them: the mail server and the carrier."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from legacy_monolith import sending
from legacy_monolith.event import Event, identity
from legacy_monolith.notifications import inbox
from tests.doubles.control import MailControl, TwilioControl
from tests.integration.monolith.shop import Person, Shop

ACCOUNT = {"TWILIO_ACCOUNT_SID": "AC" + "1" * 32, "TWILIO_AUTH_TOKEN": "a token", "TWILIO_FROM": "+15005550006"}
SENDER = "The shop <shop@shop.test>"
NUMBER = "+4915112345678"
PREFERENCES = "/api/notifications/preferences"
# An order's events need no order to be told.
PAID: dict[str, Any] = {"order_id": 7, "amount": 2468}


def event(kind: str, user_id: int, number: int = 1, **facts: Any) -> Event:
    return Event(identity("payments", number, kind), kind, {"user_id": user_id, **facts})


@dataclass
class Post:
    shop: Shop
    mail: MailControl
    carrier: TwilioControl

    def tell(self, one: Event) -> None:
        """As it comes from the broker."""
        with self.shop.app.app_context():
            inbox.receive(one.document())

    def paid(self, person: Person, number: int = 1) -> None:
        self.tell(event("order.paid", person.user["id"], number, **PAID))

    def send(self) -> None:
        """The background process, once."""
        sending.send_all(self.shop.app, threading.Event())

    def pass_time(self) -> None:
        """As if every pause were over, and every claim old."""
        self.shop.query(
            "set session_replication_role = replica;"  # Past a fence, too.
            "update notification_messages set next_attempt_at = now() where next_attempt_at is not null;"
            "update notification_messages set claimed_at = claimed_at - interval '3 minutes' where state = 'sending'"
        )

    def buyer(self, phone: str | None = None, choices: object = None) -> Person:
        """Whose welcome is over."""
        somebody = self.shop.person()
        self.shop.query("delete from notification_messages; delete from notifications_inbox")
        if phone:
            self.shop.query("update users set phone = %s, phone_verified_at = now()", phone)
        if choices:
            assert somebody.send("PATCH", PREFERENCES, choices).status_code == 200
        return somebody

    def states(self) -> list[tuple[Any, ...]]:
        return self.shop.query(
            "select channel, state from notification_messages order by created_at, channel, recipient"
        )

    def subjects(self, to: str) -> list[str]:
        return [mail["subject"] for mail in self.mail.mails(to)]
