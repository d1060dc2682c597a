"""What keeps events from being published. No message of these holds anything of an event but its id."""

from __future__ import annotations

from cdc.errors import CdcError


class OutboxError(CdcError):
    """Something about a publisher; see the classes below."""

    code = "outbox-error"


class BrokerAway(OutboxError):
    """The broker is dead, frozen or refuses; the publisher tries again by itself, and nothing is lost."""

    code = "broker-away"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the broker does not take messages: {reason}", "fig status; fig logs rabbitmq")


class NobodyListens(OutboxError):
    """No queue takes the event: published now, it would be gone."""

    code = "nobody-listens"

    def __init__(self, exchange: str, events: int) -> None:
        super().__init__(
            f"{events} event(s) wait: no queue is bound to exchange {exchange}",
            "Start what listens to these events; it binds its queue, and the publisher goes on by itself",
        )


class EventUnpublishable(OutboxError):
    """A row that is no event; the publisher stays in front of it, so that nobody misses it silently."""

    code = "event-unpublishable"

    def __init__(self, publisher: str, domain: str, table: str, event: str, reason: str) -> None:
        super().__init__(
            f"publisher {publisher} stays in front of event {event} of {table}: {reason}",
            f"Correct what writes it and write it again; then leave this one out: fig outbox skip {domain} {event}",
        )
        self.event = event


class OutboxChanged(OutboxError):
    """The table has lost a column that makes an event."""

    code = "outbox-changed"

    def __init__(self, table: str, missing: str) -> None:
        super().__init__(f"{table} has no column {missing}", "Restore it; the publisher goes on where it was")


class OutboxSlotLost(OutboxError):
    """The publisher's place in the log is gone (dropped, restored, failed over): what it missed is not known."""

    code = "outbox-slot-lost"

    def __init__(self, publisher: str, domain: str, slot: str, why: str, same_server: bool) -> None:
        super().__init__(
            f"publisher {publisher} cannot go on: {why} (slot {slot})",
            f"fig outbox prepare {domain} --again: every row that is still there is published; inboxes know them",
        )
        self.same_server = same_server
        """Only the slot is gone: what was published before is known, and only the rest is published again."""


class OutboxNotPrepared(OutboxError):
    """Nobody has made the publisher's slot."""

    code = "outbox-not-prepared"

    def __init__(self, publisher: str, domain: str) -> None:
        super().__init__(f"publisher {publisher} has no slot", f"fig outbox prepare {domain}")


class OutboxBusy(OutboxError):
    """Events are not published yet, so their place in the log cannot be given up."""

    code = "outbox-busy"

    def __init__(self, publisher: str, seconds: float) -> None:
        super().__init__(
            f"publisher {publisher} has not published everything within {seconds:g} s",
            "See that fig streams and the broker run, then repeat",
        )
