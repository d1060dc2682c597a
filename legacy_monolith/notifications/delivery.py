"""Sending what waits: who it is for, the claim, the one attempt, and what came of it.

At most once, whoever dies on whatever line: a committed claim without an outcome is shown as in doubt, and never sent
again. The carrier of text messages can be asked about it; a mail server cannot.
"""

from __future__ import annotations

import logging

from flask import current_app

from legacy_monolith import spans, trace
from legacy_monolith.database import db
from legacy_monolith.notifications import attempts, contacts, queue, wording
from legacy_monolith.notifications.addressing import EMAIL, SMS
from legacy_monolith.notifications.contacts import Contact, ContactUnknown
from legacy_monolith.notifications.mail import Mail, MailServer
from legacy_monolith.notifications.queue import Waiting
from legacy_monolith.users.messages import Fate, Messages, Sending

log = logging.getLogger(__name__)


def send_next() -> bool:
    """One attempt for the message that waits longest; False if none is due."""
    message = queue.take()
    db.session.commit()
    if message is None:
        return False
    with trace.during(message.traceparent):
        _deliver(message)
    db.session.commit()
    return True


def _deliver(message: Waiting) -> None:
    if not _is_served(message.channel):
        queue.skip(message)
        return
    try:
        contact = contacts.of(message.user_id)
    except ContactUnknown as error:
        log.warning("nobody says where to send a message", extra={"message_id": message.id, "reason": str(error)})
        queue.postpone(message, attempts.judge(Fate.FAILED, message.attempts + 1, False))
    else:
        if recipient := _recipient(message, contact):
            _send(message, recipient, contact.name)
        else:
            queue.skip(message)


def doubt_what_is_left() -> None:
    """Whoever claimed these is gone, or lives on a side that owns them no more."""
    for message_id, channel in queue.doubt():
        log.error("it is in doubt whether a message was sent", extra={"message_id": message_id, "channel": channel})
    db.session.commit()


def look_up_next() -> bool:
    """Ask the carrier about one message in doubt; False if there is none to ask about."""
    messages: Messages | None = current_app.extensions["messages"]
    if messages is None:
        return False
    message = queue.take_doubtful()
    db.session.commit()
    if message is None:
        return False
    for reference in messages.sent(message.recipient, message.body, message.claimed_at):
        if queue.settle(message, reference):
            log.info("a message in doubt was sent", extra={"message_id": message.id})
            break
    db.session.commit()
    return True


def _is_served(channel: str) -> bool:
    return current_app.extensions["mail" if channel == EMAIL else "messages"] is not None


def _recipient(message: Waiting, contact: Contact) -> str | None:
    """None: somebody without a verified number gets no text messages."""
    return message.recipient or (contact.email if message.channel == EMAIL else contact.phone)


def _send(message: Waiting, recipient: str, name: str) -> None:
    claimed_at = queue.claim(message, recipient)
    db.session.commit()
    if claimed_at is None or not queue.hold(message, claimed_at):
        return
    sending = _attempt(message, recipient, name)
    verdict = attempts.judge(sending.fate, message.attempts + 1, can_be_looked_up=message.channel == SMS)
    queue.record(message, verdict, sending.reference)
    # Long after the request: its trace's line names the event that it told.
    facts = {"message_id": message.id, "event": str(message.event_id), "channel": message.channel}
    log.info("message %s", verdict.state, extra=facts)


def _attempt(message: Waiting, recipient: str, name: str) -> Sending:
    facts = {"messaging.message.id": str(message.id)}
    with spans.step(f"send {message.channel}", "CLIENT", facts) as step:
        sending = _handed_over(message, recipient, name)
        if sending.fate is not Fate.SENT:
            step.fail(sending.fate)
    return sending


def _handed_over(message: Waiting, recipient: str, name: str) -> Sending:
    if message.channel == EMAIL:
        server: MailServer = current_app.extensions["mail"]
        return server.send(Mail(str(message.id), recipient, message.subject, wording.letter(name, message.body)))
    messages: Messages = current_app.extensions["messages"]
    return messages.send(recipient, message.body)
