"""What Twilio does with a message: takes it on or refuses it, and finds it again. No network."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

API = "/2010-04-01"
_LONGEST_BODY = 1600

# Twilio's own numbers for tries: what happens to a message to one of them.
_MAGIC_RECIPIENTS = {
    "+15005550001": (21211, "Invalid 'To' Phone Number: +15005550001"),
    "+15005550002": (21612, "The message from/to pair cannot be routed"),
    "+15005550003": (
        21408,
        "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    ),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number is not a valid mobile number"),
}


@dataclass(eq=False)
class Refusal(Exception):
    """Nothing was sent; `code` is Twilio's."""

    code: int
    message: str
    status: int = HTTPStatus.BAD_REQUEST

    def body(self) -> dict[str, Any]:
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.message, "more_info": more, "status": int(self.status)}


@dataclass(eq=False)
class Message:
    to: str
    body: str
    sender: str | None
    service: str | None
    created: datetime
    sid: str = field(default_factory=lambda: f"SM{secrets.token_hex(16)}")


def shape(one: Message, account: str, status: str) -> dict[str, Any]:
    """The message as the API shows it; `status` is queued in the first answer, delivered ever after."""
    uri = f"{API}/Accounts/{account}/Messages/{one.sid}"
    at = format_datetime(one.created)
    return {
        "account_sid": account,
        "api_version": API.strip("/"),
        "body": one.body,
        "date_created": at,
        "date_sent": None if status == "queued" else at,
        "date_updated": at,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": one.sender,
        "messaging_service_sid": one.service,
        "num_media": "0",
        "num_segments": str(1 + max(len(one.body) - 1, 0) // 153),
        "price": None,
        "price_unit": "USD",
        "sid": one.sid,
        "status": status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": one.to,
        "uri": f"{uri}.json",
    }


class Messages:
    """All messages that were taken on, oldest first."""

    def __init__(self) -> None:
        self.all: list[Message] = []

    def send(self, parameters: Mapping[str, str]) -> Message:
        to, body = parameters.get("To", ""), parameters.get("Body", "")
        sender, service = parameters.get("From"), parameters.get("MessagingServiceSid")
        if not to:
            raise Refusal(21604, "A 'To' phone number is required.")
        if to in _MAGIC_RECIPIENTS:
            raise Refusal(*_MAGIC_RECIPIENTS[to])
        if not re.fullmatch(r"\+[1-9]\d{6,14}", to):
            raise Refusal(21211, f"Invalid 'To' Phone Number: {to}")
        if not sender and not service:
            raise Refusal(21603, "A 'From' phone number is required.")
        if not body:
            raise Refusal(21602, "Message body is required.")
        if len(body) > _LONGEST_BODY:
            raise Refusal(21617, f"The concatenated message body exceeds the {_LONGEST_BODY} character limit")
        message = Message(to, body, sender, service, datetime.now(UTC).replace(microsecond=0))
        self.all.append(message)
        return message

    def by_sid(self, sid: str) -> Message:
        for message in self.all:
            if message.sid == sid:
                return message
        raise Refusal(20404, f"The requested resource {API}/…/Messages/{sid}.json was not found", HTTPStatus.NOT_FOUND)

    def found(self, parameters: Mapping[str, str]) -> list[Message]:
        """Newest first; by recipient, sender, and the time it was sent (`DateSent>` and `DateSent<`)."""
        to, sender = parameters.get("To"), parameters.get("From")
        earliest, latest = _time(parameters.get("DateSent>")), _time(parameters.get("DateSent<"))
        day = parameters.get("DateSent")
        return [
            one for one in reversed(self.all)
            if to in (None, one.to) and sender in (None, one.sender)
            and (earliest is None or one.created >= earliest) and (latest is None or one.created <= latest)
            and (day is None or one.created.date().isoformat() == day[:10])
        ]  # fmt: skip


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(20001, f"'{text}' is no date") from None
