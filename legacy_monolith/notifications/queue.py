"""Messages that wait to be sent, as rows; each step compares and sets, and none commits.

`claim` is committed before anything leaves; `hold` then keeps the row locked for writing until the outcome is written
with it, so that neither a fence nor anybody else comes in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from legacy_monolith.database import db
from legacy_monolith.notifications.attempts import Verdict

# How long whoever prepares a message is left alone with it.
GRACE = "interval '30 seconds'"
# How old a claim without an outcome is in doubt; longer than any call.
DOUBT = "interval '2 minutes'"
# For how long, and how often, the carrier is asked about a message in doubt.
LOOKED_UP_FOR, LOOKED_UP_EVERY = "interval '10 minutes'", "interval '15 seconds'"

_TAKE = text(f"""
    update notification_messages set next_attempt_at = now() + {GRACE}
    where id = (select id from notification_messages where next_attempt_at <= now() and state = 'pending'
                order by next_attempt_at, created_at limit 1 for update skip locked)
    returning id, event_id, user_id, channel, recipient, subject, body, attempts, traceparent
""")  # noqa: S608  a constant
_SKIP = text("""
    update notification_messages set state = 'skipped', next_attempt_at = null where id = :id and state = 'pending'
""")
_POSTPONE = text("""
    update notification_messages
    set attempts = attempts + 1, state = :state, next_attempt_at = now() + cast(:pause as interval)
    where id = :id and state = 'pending' and attempts = :attempts
""")
_CLAIM = text("""
    update notification_messages
    set state = 'sending', recipient = :recipient, claimed_at = clock_timestamp(), attempts = attempts + 1,
        next_attempt_at = null
    where id = :id and state = 'pending' and attempts = :attempts
    returning claimed_at
""")
# The outcome hoped for; it is committed only when it is known, together with what it really is.
_HOLD = text("""
    update notification_messages set state = 'sent'
    where id = :id and state = 'sending' and claimed_at = :claimed_at returning id
""")
_RECORD = text("""
    update notification_messages
    set state = :state, reference = :reference, next_attempt_at = now() + cast(:pause as interval),
        sent_at = case when :state = 'sent' then clock_timestamp() end
    where id = :id
""")
_DOUBT = text(f"""
    update notification_messages
    set state = 'in_doubt', next_attempt_at = case when channel = 'sms' then now() end
    where id in (select id from notification_messages where state = 'sending' and claimed_at < now() - {DOUBT}
                 for update skip locked)
    returning id, channel
""")  # noqa: S608  a constant
_TAKE_DOUBTFUL = text(f"""
    update notification_messages
    set next_attempt_at = case when claimed_at > now() - {LOOKED_UP_FOR} then now() + {LOOKED_UP_EVERY} end
    where id = (select id from notification_messages where next_attempt_at <= now() and state = 'in_doubt'
                order by next_attempt_at limit 1 for update skip locked)
    returning id, recipient, body, claimed_at
""")  # noqa: S608  constants
_SETTLE = text("""
    update notification_messages
    set state = 'sent', reference = :reference, next_attempt_at = null, sent_at = claimed_at
    where id = :id and state = 'in_doubt'
      and not exists (select from notification_messages where reference = :reference)
    returning id
""")


@dataclass(frozen=True)
class Waiting:
    id: UUID
    event_id: UUID
    user_id: int
    channel: str
    recipient: str | None
    subject: str
    body: str
    attempts: int
    traceparent: str | None


@dataclass(frozen=True)
class Doubtful:
    id: UUID
    recipient: str
    body: str
    claimed_at: datetime


def take() -> Waiting | None:
    """The message that waits longest with nobody working on it; the caller's until its grace is over."""
    row = db.session.execute(_TAKE).first()
    return Waiting(*row) if row else None


def skip(message: Waiting) -> None:
    db.session.execute(_SKIP, {"id": message.id})


def postpone(message: Waiting, verdict: Verdict) -> None:
    """An attempt that never began to send."""
    values = {"id": message.id, "attempts": message.attempts, "state": verdict.state, "pause": verdict.pause}
    db.session.execute(_POSTPONE, values)


def claim(message: Waiting, recipient: str) -> datetime | None:
    """From its commit on the message may have been sent. None: somebody else was quicker."""
    values = {"id": message.id, "attempts": message.attempts, "recipient": recipient}
    return db.session.execute(_CLAIM, values).scalar()


def hold(message: Waiting, claimed_at: datetime) -> bool:
    """False: it is in doubt by now."""
    values = {"id": message.id, "claimed_at": claimed_at}
    return db.session.execute(_HOLD, values).first() is not None


def record(message: Waiting, verdict: Verdict, reference: str | None) -> None:
    values = {"id": message.id, "state": verdict.state, "reference": reference, "pause": verdict.pause}
    db.session.execute(_RECORD, values)


def doubt() -> list[Any]:
    """Claims whose outcome nobody will hear of any more."""
    return list(db.session.execute(_DOUBT).all())


def take_doubtful() -> Doubtful | None:
    """A message that may be looked up; it comes up again until it is found, or long enough ago."""
    row = db.session.execute(_TAKE_DOUBTFUL).first()
    return Doubtful(*row) if row else None


def settle(message: Doubtful, reference: str) -> bool:
    """It was sent after all. False: this is another message's reference."""
    return db.session.execute(_SETTLE, {"id": message.id, "reference": reference}).first() is not None
