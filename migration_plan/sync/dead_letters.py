"""Dead letters of a domain: what its inbox could not take. Read without taking, put back into the inbox on request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from amqp.exceptions import NotFound  # type: ignore[import-untyped]

from cdc.outbox.broker import Message, Publishing, connected
from cdc.outbox.errors import NobodyListens
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.parts import Parts

MOST = 1000
"""Letters that one command looks at; the oldest come first."""
HIDDEN = "***"


class NoInbox(FigError):
    """The domain hears of nobody."""

    code = "no-inbox"
    exit_code = Exit.NOT_MEANT


class InboxMissing(FigError):
    """What is sent there would be gone."""

    code = "inbox-missing"


class DeadLetterUnknown(FigError):
    """No dead letter has this id."""

    code = "dead-letter-unknown"
    exit_code = Exit.NOT_MEANT


@dataclass(frozen=True)
class DeadLetter:
    """A message as it lies in the dead queue."""

    id: str
    type: str
    attempts: int
    reason: str
    dead_at: str
    body: bytes

    def as_json(self, unmasked: bool | None = None) -> dict[str, object]:
        """Without its content unless asked: None leaves it out, False masks what may be personal."""
        shown = {"id": self.id, "type": self.type, "attempts": self.attempts, "reason": self.reason,
                 "dead_at": self.dead_at}  # fmt: skip
        return shown if unmasked is None else {**shown, "event": content(self.body, unmasked)}


def content(body: bytes, unmasked: bool) -> object:
    """The event; masked, its data keeps numbers, truths and ids only."""
    try:
        event = json.loads(body)
    except ValueError:
        return body.decode(errors="replace") if unmasked else f"{len(body)} bytes that are not JSON"
    if unmasked:
        return event
    if not isinstance(event, dict):
        return HIDDEN
    return {key: value if key in ("id", "type", "occurred_at") else _masked(value) for key, value in event.items()}


def _masked(value: object) -> object:
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, str):
        return value if _is_uuid(value) else HIDDEN
    return value


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def count(parts: Parts) -> int:
    """How many there are, without touching one; a queue that was never made has none."""
    with connected(parts.broker_url) as connection:
        try:
            found = connection.channel().queue_declare(f"{_inbox_of(parts)}.dead", passive=True)
        except NotFound:
            return 0
        return int(found.message_count)


def letters(parts: Parts) -> list[DeadLetter]:
    """The oldest MOST of them; each stays where it is."""
    with _taken(parts) as (_channel, found):
        return [letter for _tag, letter in found]


def note_shown(parts: Parts, found: Sequence[DeadLetter]) -> None:
    """Personal data may be looked at to help somebody; the journal says who did, and of which letters."""
    parts.journal.record(parts.domain, "values-shown", what="dead letters", letters=[one.id for one in found])


def replay(parts: Parts, only: str | None) -> list[DeadLetter]:
    """Into the inbox again, all or the one; each leaves the dead queue once the broker has it in the inbox."""
    with _taken(parts) as (channel, found):
        chosen = [(tag, letter) for tag, letter in found if only in (None, letter.id)]
        if only is not None and not chosen:
            raise DeadLetterUnknown(
                f'domain "{parts.domain}" has no dead letter "{only}"', f"fig dead-letters list {parts.domain}"
            )
        publishing = Publishing(channel.connection, exchange="")
        for tag, letter in chosen:
            # Attempts are counted anew: no header goes with it.
            _put_back(publishing, _inbox_of(parts), letter)
            channel.basic_ack(tag)
        parts.journal.record(parts.domain, "replayed", letters=[letter.id for _tag, letter in chosen])
        return [letter for _tag, letter in chosen]


def _put_back(publishing: Publishing, queue: str, letter: DeadLetter) -> None:
    try:
        publishing.publish([Message(letter.id, queue, letter.body)])
    except NobodyListens as error:
        raise InboxMissing(
            f"there is no queue {queue}; dead letter {letter.id} stays where it is",
            "start what listens to it, which makes it, then run the command again",
        ) from error


def _inbox_of(parts: Parts) -> str:
    if parts.plan.inbox is None:
        raise NoInbox(f'the plan of domain "{parts.domain}" names no inbox', 'add "inbox: {queue: ...}" to the plan')
    return parts.plan.inbox.queue


@contextmanager
def _taken(parts: Parts) -> Iterator[tuple[Any, list[tuple[int, DeadLetter]]]]:
    """The letters, held back from everybody else; what was not acknowledged goes back in its old order."""
    queue = f"{_inbox_of(parts)}.dead"
    with connected(parts.broker_url) as connection:
        channel = connection.channel()
        found: list[tuple[int, DeadLetter]] = []
        while len(found) < MOST and (message := channel.basic_get(queue)) is not None:
            found.append((message.delivery_tag, _letter(message)))
        yield channel, found
        # The broker's answer says that they are back, for the next command to see.
        channel.close()


def _letter(message: Any) -> DeadLetter:
    body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
    headers = message.properties.get("application_headers", {})
    try:
        event = json.loads(body)
    except ValueError:
        event = None
    said = event if isinstance(event, dict) else {}
    fallback = f"sha-{hashlib.sha256(body).hexdigest()[:12]}"
    return DeadLetter(
        id=str(message.properties.get("message_id") or said.get("id") or fallback),
        type=str(said.get("type") or "-"),
        attempts=int(headers.get("x-attempts") or 0),
        reason=str(headers.get("x-reason") or "-"),
        dead_at=str(headers.get("x-dead-at") or "-"),
        body=body,
    )
