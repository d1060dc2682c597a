"""Takes events out of a domain's inbox, one after the other, for as long as this side owns the domain.

A message leaves the broker only once its handler has committed, or once it waits somewhere else; what was not
acknowledged comes again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from extracted.platform import topology, trace
from extracted.platform.broker import ANSWER_S, BROKER_ERRORS, connected
from extracted.platform.event import Event, Unreadable, read
from extracted.platform.topology import MOST_ATTEMPTS

log = logging.getLogger(__name__)

OWNER_POLL_S = 0.25
PREFETCH = 10
PAUSE_S = 0.5
LONGEST_PAUSE_S = 4.0
KEPT = ("message_id", "timestamp")


class NotNow(Exception):
    """Nothing is wrong with the message: the domain has moved, or the database is away. It counts as no attempt."""


@dataclass(frozen=True)
class Inbox:
    """What is listened to, and who decides and acts."""

    domain: str
    sources: Sequence[str]
    is_owner: Callable[[], bool]
    """May raise NotNow."""
    handle: Callable[[Event], None]
    """Raises NotNow, Unreadable, or anything else for an attempt that failed."""
    retry_seconds: float = topology.RETRY_SECONDS

    @property
    def queue(self) -> str:
        return topology.inbox_of(self.domain)


def consume(url: str, inbox: Inbox, stop: threading.Event) -> None:
    """Until told to stop. A broker that is away is waited for."""
    is_declared, pause = False, PAUSE_S
    while not stop.is_set():
        try:
            is_owner = inbox.is_owner()
            # Even who does not own declares once, so that no event is published before there is a queue.
            if is_owner or not is_declared:
                with connected(url) as connection:
                    topology.declare(connection.channel(), inbox.domain, inbox.sources)
                    is_declared, pause = True, PAUSE_S
                    if is_owner:
                        _Session(connection, inbox, stop).run()
            stop.wait(OWNER_POLL_S)
        except NotNow as reason:
            log.warning("events wait: %s", reason, extra={"queue": inbox.queue})
            stop.wait(PAUSE_S)
        except BROKER_ERRORS as error:
            log.warning("no broker, again in %s s: %s", pause, error or type(error).__name__)
            stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)


class _Session:
    """One connection, while this side owns."""

    def __init__(self, connection: Any, inbox: Inbox, stop: threading.Event) -> None:
        self._connection, self._inbox, self._stop = connection, inbox, stop
        self._channel = connection.channel()
        self._arrived: deque[Any] = deque()

    def run(self) -> None:
        self._channel.basic_qos(0, PREFETCH, False)
        self._channel.basic_consume(self._inbox.queue, callback=self._arrived.append)
        log.info("consuming", extra={"queue": self._inbox.queue})
        looked = time.monotonic()
        while not self._stop.is_set():
            if time.monotonic() - looked > OWNER_POLL_S:
                if not self._inbox.is_owner():
                    log.info("not the owner any more", extra={"queue": self._inbox.queue})
                    return
                looked = time.monotonic()
            if self._arrived:
                try:
                    self._take(self._arrived.popleft())
                finally:
                    trace.begin("")
            else:
                self._listen()
            self._connection.heartbeat_tick()

    def _listen(self) -> None:
        try:
            self._connection.drain_events(timeout=OWNER_POLL_S)
        except TimeoutError:
            return

    def _take(self, message: Any) -> None:
        try:
            event = read(message.body)
            trace.begin(event.traceparent)
            self._inbox.handle(event)
        except NotNow:
            raise
        except Unreadable as problem:
            self._bury(message, str(problem), _attempts(message) + 1)
            return
        except Exception as error:  # noqa: BLE001  Whatever it is, it was an attempt.
            self._failed(message, error)
            return
        self._channel.basic_ack(message.delivery_tag)
        log.info("taken", extra={"event": str(event.id), "type": event.type})

    def _failed(self, message: Any, error: Exception) -> None:
        attempts = _attempts(message) + 1
        # The error's kind only: its text may hold what the message holds.
        reason = type(error).__name__
        facts = {"event": message.properties.get("message_id"), "attempts": attempts, "reason": reason}
        if attempts >= MOST_ATTEMPTS:
            self._bury(message, reason, attempts)
            return
        log.warning("an event failed, it is tried again", extra=facts)
        expiration = str(round(self._inbox.retry_seconds * 1000))
        self._pass_on(message, topology.retry_of(self._inbox.queue), {"x-attempts": attempts}, expiration=expiration)

    def _bury(self, message: Any, reason: str, attempts: int) -> None:
        facts = {"queue": self._inbox.queue, "reason": reason, "attempts": attempts}
        log.error("an event is dead: see fig dead-letters", extra=facts)
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        headers = {"x-attempts": attempts, "x-reason": reason, "x-dead-at": moment}
        self._pass_on(message, topology.dead_of(self._inbox.queue), headers)

    def _pass_on(self, message: Any, queue: str, headers: dict[str, Any], **more: Any) -> None:
        """First it is safe in the other queue, then it goes from this one."""
        given = message.properties
        kept = {key: given[key] for key in KEPT if key in given}
        told = given.get("application_headers", {})
        if trace.HEADER in told:
            headers = {trace.HEADER: told[trace.HEADER], **headers}
        body = message.body.encode() if isinstance(message.body, str) else message.body
        copy = self._channel.prepare_message(
            body,
            content_type=given.get("content_type"),
            headers=headers,
            properties={**kept, **more, "delivery_mode": 2},
        )
        self._channel.basic_publish(copy, "", queue, mandatory=True, timeout=ANSWER_S, confirm_timeout=ANSWER_S)
        self._channel.basic_ack(message.delivery_tag)


def _attempts(message: Any) -> int:
    found = message.properties.get("application_headers", {}).get("x-attempts")
    return found if isinstance(found, int) and found > 0 else 0
