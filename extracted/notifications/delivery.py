"""Sending what waits: who it is for, the claim, the one attempt, and what came of it.

At most once, whoever dies on whatever line: a committed claim without an outcome is shown as in doubt, and never sent
again. The carrier of text messages can be asked about it; a mail server cannot.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime

from extracted.notifications import attempts, queue, wording
from extracted.notifications.addressing import EMAIL, SMS
from extracted.notifications.configuration import Configuration
from extracted.notifications.contacts import Contact, ContactUnknown
from extracted.notifications.mail import Mail
from extracted.notifications.messages import Fate, Sending
from extracted.notifications.queue import Waiting
from extracted.platform import spans, trace
from extracted.platform.database import Database

log = logging.getLogger(__name__)

# How long one run goes on while there is something to do: a service that stops waits for its end.
RUN_SECONDS = 1.0


class Delivery:
    def __init__(self, database: Database, outside: Configuration) -> None:
        self._database = database
        self._outside = outside

    def run(self) -> None:
        """One round over what is due, or as much of it as fits into a run."""
        end = time.monotonic() + RUN_SECONDS
        self.doubt_what_is_left()
        for step in (self.send_next, self.look_up_next):
            while step() and time.monotonic() < end:
                pass

    def doubt_what_is_left(self) -> None:
        """Whoever claimed these is gone, or lives on a side that owns them no more."""
        with self._database.write() as connection:
            doubts = queue.doubt(connection)
        for message_id, channel in doubts:
            facts = {"message_id": str(message_id), "channel": channel}
            log.error("it is in doubt whether a message was sent", extra=facts)

    def send_next(self) -> bool:
        """One attempt for the message that waits longest; False if none is due."""
        with self._database.write() as connection:
            message = queue.take(connection)
        if message is None:
            return False
        with trace.during(message.traceparent):
            self._deliver(message)
        return True

    def _deliver(self, message: Waiting) -> None:
        if not self._is_served(message.channel):
            self._suppress(message)
            return
        try:
            contact = self._outside.contacts.of(message.receiver_id)
        except ContactUnknown as error:
            facts = {"message_id": str(message.id), "reason": str(error)}
            log.warning("nobody says where to send a message", extra=facts)
            verdict = attempts.judge(Fate.FAILED, message.attempts + 1, False)
            with self._database.write() as connection:
                queue.postpone(connection, message, verdict)
            return
        if address := _address(message, contact):
            self._send(message, address, contact.name)
        else:
            self._suppress(message)

    def look_up_next(self) -> bool:
        """Ask the carrier about one message in doubt; False if there is none to ask about."""
        messages = self._outside.messages
        if messages is None:
            return False
        with self._database.write() as connection:
            message = queue.take_doubtful(connection)
        if message is None:
            return False
        for reference in messages.sent(message.address, message.body, message.claimed_at):
            with self._database.write() as connection:
                is_settled = queue.settle(connection, message, reference)
            if is_settled:
                log.info("a message in doubt was sent", extra={"message_id": str(message.id)})
                break
        return True

    def _is_served(self, channel: str) -> bool:
        return (self._outside.mail if channel == EMAIL else self._outside.messages) is not None

    def _suppress(self, message: Waiting) -> None:
        with self._database.write() as connection:
            queue.suppress(connection, message)

    def _send(self, message: Waiting, address: str, name: str) -> None:
        with self._database.write() as connection:
            claimed_at = queue.claim(connection, message, address)
        if claimed_at is not None:
            self._act(message, claimed_at, address, name)

    def _act(self, message: Waiting, claimed_at: datetime, address: str, name: str) -> None:
        """The call and its outcome, with the row held."""
        with self._database.write() as connection:
            if not queue.hold(connection, message, claimed_at):
                return
            sending = self._attempt(message, address, name)
            verdict = attempts.judge(sending.fate, message.attempts + 1, can_be_looked_up=message.channel == SMS)
            queue.record(connection, message, verdict, sending.reference)
        # Long after the request: its trace's line names the event that it told.
        facts = {"message_id": str(message.id), "event": str(message.event_id), "channel": message.channel}
        log.info("message %s", verdict.status, extra=facts)

    def _attempt(self, message: Waiting, address: str, name: str) -> Sending:
        facts = {"messaging.message.id": str(message.id)}
        with spans.step(f"send {message.channel}", "CLIENT", facts) as step:
            sending = self._handed_over(message, address, name)
            if sending.fate is not Fate.SENT:
                step.fail(sending.fate)
        return sending

    def _handed_over(self, message: Waiting, address: str, name: str) -> Sending:
        mail, messages = self._outside.mail, self._outside.messages
        if message.channel == EMAIL and mail:
            return mail.send(Mail(str(message.id), address, message.title, wording.letter(name, message.body)))
        if message.channel == SMS and messages:
            return messages.send(address, message.body)
        return Sending(Fate.FAILED)


def _address(message: Waiting, contact: Contact) -> str | None:
    """None: somebody without a verified number gets no text messages."""
    return message.address or (contact.email if message.channel == EMAIL else contact.phone)
