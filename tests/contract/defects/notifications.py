"""Defects of the notifications service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.contract.defects.changes import nothing, twice, without_csrf_check
from tests.contract.defects.defect import Defect

SERVICE = "extracted.notifications.service"
HISTORY = "extracted.notifications.history"
ATTEMPTS = "extracted.notifications.attempts"
ADDRESSING = "extracted.notifications.addressing"
DELIVERY = "extracted.notifications.delivery"


def _always(right: Any) -> Any:
    return lambda choices, channel, topic: True


def _mark_lost(right: Any) -> Any:
    def wrong(self: Any, user_id: int, message_id: Any) -> Any:
        found = right(self, user_id, message_id)
        with self._database.write() as connection:
            connection.exec_driver_sql("update message set read_at = null where id = %s", (message_id,))
        return found

    return wrong


def _present_address(right: Any) -> Any:
    return lambda message, contact: right(replace(message, address=None), contact)


def _shorter_page(right: Any) -> Any:
    def wrong(self: Any, user_id: int, limit: int, after: Any) -> Any:
        page = right(self, user_id, limit, after)
        return replace(page, items=page.items[:-1]) if page.next_cursor and limit > 1 else page

    return wrong


def _anybodys(right: Any) -> Any:
    def wrong(self: Any, user_id: int, message_id: Any) -> Any:
        with self._database.read() as connection:
            found = connection.exec_driver_sql("select receiver_id from message where id = %s", (message_id,)).scalar()
        return right(self, found or user_id, message_id)

    return wrong


def _unread(right: Any) -> Any:
    return lambda message, event: {**right(message, event), "read_at": None}


def _whole_euros(right: Any) -> Any:
    return lambda cents: right(round(cents / 100) * 100)


def _sent_again(right: Any) -> Any:
    def wrong(fate: Any, attempts: int, can_be_looked_up: bool) -> Any:
        kinds = right.__globals__["Fate"]
        return right(kinds.FAILED if fate is kinds.IN_DOUBT else fate, attempts, can_be_looked_up)

    return wrong


def _back_to_defaults(right: Any) -> Any:
    def wrong(connection: Any, user_id: int, chosen: Any) -> None:
        right(connection, user_id, {**right.__globals__["DEFAULTS"], **chosen})

    return wrong


NOTIFICATIONS = (
    Defect("choices-ignored", "people are told what they do not want to hear", f"{ADDRESSING}:_wants", _always),
    Defect("mark-lost", "a message that was read is unread again", f"{HISTORY}:History.read", _mark_lost),
    Defect("all-unread", "reading all reads none", f"{HISTORY}:History.read_all", nothing),
    Defect("wrong-address", "a last word for the old address goes to the new one", f"{DELIVERY}:_address",
           _present_address),
    Defect("extra-mail", "every mail is sent twice", "extracted.notifications.mail:MailServer.send", twice),
    Defect("short-page", "a full page lacks its last message", f"{HISTORY}:History.page", _shorter_page),
    Defect("anyone-reads", "anyone reads everybody's messages", f"{HISTORY}:History.read", _anybodys),
    Defect("companions-count", "a text message counts beside its mail", "extracted.notifications.hearing:_row",
           _unread),
    Defect("no-csrf-check", "the CSRF token is not looked at", f"{SERVICE}:require", without_csrf_check),
    Defect("whole-euros", "amounts are rounded to euros", "extracted.notifications.wording:euros", _whole_euros),
    Defect("gives-up-at-once", "what was refused once is not tried again", f"{ATTEMPTS}:MOST_ATTEMPTS",
           lambda right: 1),
    Defect("sent-again", "a message in doubt is sent once more", f"{ATTEMPTS}:judge", _sent_again),
    Defect("choices-forgotten", "a choice resets the others", "extracted.notifications.preferences:_write",
           _back_to_defaults),
    Defect("skipped-says-sent", "a message that was not wanted says that it was sent",
           "extracted.notifications.schemas:STATES", lambda right: {**right, "suppressed": "sent"}),
)  # fmt: skip
