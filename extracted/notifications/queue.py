"""Messages that wait to be sent, as rows; each step compares and sets.

`claim` is committed before anything leaves; `hold` then keeps the row locked for writing until the outcome is written
with it, so that neither a fence nor anybody else comes in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from extracted.notifications.attempts import Verdict

# How long whoever prepares a message is left alone with it.
GRACE = "interval '30 seconds'"
# How old a claim without an outcome is in doubt; longer than any call.
DOUBT = "interval '2 minutes'"
# For how long, and how often, the carrier is asked about a message in doubt.
LOOKED_UP_FOR, LOOKED_UP_EVERY = "interval '10 minutes'", "interval '15 seconds'"

_TAKE = text(f"""
    update message set due_at = now() + {GRACE}
    where id = (select id from message where due_at <= now() and status = 'queued'
                order by due_at, created_at limit 1 for update skip locked)
    returning id, event_id, receiver_id, channel, address, title, body, attempts, traceparent
""")  # noqa: S608  a constant
_SUPPRESS = text("update message set status = 'suppressed', due_at = null where id = :id and status = 'queued'")
_POSTPONE = text("""
    update message set attempts = attempts + 1, status = cast(:status as message_status),
                       due_at = now() + cast(:pause as interval)
    where id = :id and status = 'queued' and attempts = :attempts
""")
_CLAIM = text("""
    update message set status = 'sending', address = :address, claimed_at = clock_timestamp(),
                       attempts = attempts + 1, due_at = null
    where id = :id and status = 'queued' and attempts = :attempts
    returning claimed_at
""")
# A call may take longer than transactions are usually left alone with nothing to do.
_BE_PATIENT = text("set local idle_in_transaction_session_timeout = '20s'")
# The outcome hoped for; it is committed only when it is known, together with what it really is.
_HOLD = text("""
    update message set status = 'sent' where id = :id and status = 'sending' and claimed_at = :claimed_at returning id
""")
_RECORD = text("""
    update message set status = cast(:status as message_status), reference = :reference,
                       due_at = now() + cast(:pause as interval),
                       sent_at = case when :status = 'sent' then clock_timestamp() end
    where id = :id
""")
_DOUBT = text(f"""
    update message set status = 'unknown', due_at = case when channel = 'sms' then now() end
    where id in (select id from message where status = 'sending' and claimed_at < now() - {DOUBT}
                 for update skip locked)
    returning id, channel
""")  # noqa: S608  a constant
_TAKE_DOUBTFUL = text(f"""
    update message set due_at = case when claimed_at > now() - {LOOKED_UP_FOR} then now() + {LOOKED_UP_EVERY} end
    where id = (select id from message where due_at <= now() and status = 'unknown'
                order by due_at limit 1 for update skip locked)
    returning id, address, body, claimed_at
""")  # noqa: S608  constants
_SETTLE = text("""
    update message set status = 'sent', reference = :reference, due_at = null, sent_at = claimed_at
    where id = :id and status = 'unknown' and not exists (select from message where reference = :reference)
    returning id
""")


@dataclass(frozen=True)
class Waiting:
    id: UUID
    event_id: UUID
    receiver_id: int
    channel: str
    address: str | None
    title: str
    body: str
    attempts: int
    traceparent: str | None


@dataclass(frozen=True)
class Doubtful:
    id: UUID
    address: str
    body: str
    claimed_at: datetime


def take(connection: Connection) -> Waiting | None:
    """The message that waits longest with nobody working on it; the caller's until its grace is over."""
    row = connection.execute(_TAKE).first()
    return Waiting(*row) if row else None


def suppress(connection: Connection, message: Waiting) -> None:
    connection.execute(_SUPPRESS, {"id": message.id})


def postpone(connection: Connection, message: Waiting, verdict: Verdict) -> None:
    """An attempt that never began to send."""
    values = {"id": message.id, "attempts": message.attempts, "status": verdict.status, "pause": verdict.pause}
    connection.execute(_POSTPONE, values)


def claim(connection: Connection, message: Waiting, address: str) -> datetime | None:
    """From its commit on the message may have been sent. None: somebody else was quicker."""
    values = {"id": message.id, "attempts": message.attempts, "address": address}
    return connection.execute(_CLAIM, values).scalar()


def hold(connection: Connection, message: Waiting, claimed_at: datetime) -> bool:
    """False: it is in doubt by now."""
    connection.execute(_BE_PATIENT)
    values = {"id": message.id, "claimed_at": claimed_at}
    return connection.execute(_HOLD, values).first() is not None


def record(connection: Connection, message: Waiting, verdict: Verdict, reference: str | None) -> None:
    values = {"id": message.id, "status": verdict.status, "reference": reference, "pause": verdict.pause}
    connection.execute(_RECORD, values)


def doubt(connection: Connection) -> list[Any]:
    """Claims whose outcome nobody will hear of any more."""
    return list(connection.execute(_DOUBT).all())


def take_doubtful(connection: Connection) -> Doubtful | None:
    """A message that may be looked up; it comes up again until it is found, or long enough ago."""
    row = connection.execute(_TAKE_DOUBTFUL).first()
    return Doubtful(*row) if row else None


def settle(connection: Connection, message: Doubtful, reference: str) -> bool:
    """It was sent after all. False: this is another message's reference."""
    return connection.execute(_SETTLE, {"id": message.id, "reference": reference}).first() is not None
