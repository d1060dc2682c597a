"""What a mail says, taken out of its bytes. No network."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(frozen=True)
class Mail:
    """One mail that was taken on; `sender` and `to` are the envelope's, who gets it, not what its headers say."""

    at: str
    sender: str
    to: tuple[str, ...]
    subject: str
    message_id: str
    text: str
    html: str
    headers: dict[str, str]


def read(content: bytes, sender: str, to: list[str], at: str) -> Mail:
    message = message_from_bytes(content, policy=policy.default)
    headers = {name: str(value) for name, value in message.items()}
    return Mail(
        at=at,
        sender=sender,
        to=tuple(to),
        subject=headers.get("Subject", ""),
        message_id=headers.get("Message-ID", headers.get("Message-Id", "")),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        headers=headers,
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part else ""
