"""Proving a phone number: a code goes out, a code comes back.

The intent is a committed row before the message goes out: whatever dies, it is known that one may have been sent.
During the sending the row is locked, so that whoever stops writes to these tables waits for the outcome.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import text

from legacy_monolith.database import db
from legacy_monolith.errors import (
    CodeExhausted,
    CodeExpired,
    CodeUsed,
    InvalidFields,
    MessagesNotConfigured,
    MessagesUnavailable,
    NoCode,
    WrongCode,
)
from legacy_monolith.users import codes, events, limits
from legacy_monolith.users.codes import ATTEMPTS, VALID, Code, Verdict
from legacy_monolith.users.messages import Fate, Messages, Sending

_INTEND = text("""
    insert into phone_codes (id, user_id, phone, state, expires_at)
    values (:id, :user_id, :phone, 'intended', now() + :valid) returning expires_at
""")
# The outcome hoped for; it is committed only when it is known, together with what it really is.
_CLAIM = text("update phone_codes set state = 'sent' where id = :id and state = 'intended'")
_RECORD = text("update phone_codes set state = :state, reference = :reference where id = :id")
# Only the newest code counts. Who comes second waits here, and then sees what the first has done.
_NEWEST = text("""
    select id, user_id, phone, state, attempts, used_at, expires_at, clock_timestamp() as now from phone_codes
    where user_id = :user_id order by created_at desc, id desc limit 1 for update
""")
_MISS = text("update phone_codes set attempts = attempts + 1 where id = :id")
_USE = text("update phone_codes set used_at = now(), attempts = attempts + 1 where id = :id")
_VERIFIED = text("update users set phone = :phone, phone_verified_at = now() where id = :user_id")
# Long enough to compare with the carrier's own list of messages; phone numbers are not kept for nothing.
_FORGET = text("delete from phone_codes where created_at < now() - interval '7 days'")


def send_code(user_id: int, phone: str) -> tuple[datetime, Fate]:
    """Until when the new code is valid, and whether it was sent for sure. Earlier codes are void."""
    messages: Messages | None = current_app.extensions["messages"]
    if messages is None:
        raise MessagesNotConfigured("This shop has no account with Twilio.")
    pause = limits.MESSAGE_PAUSE.use_by(user_id)
    uses = (
        limits.MESSAGES_OF_ACCOUNT.use_by(user_id),
        limits.MESSAGES_TO_NUMBER.use_by(phone),
        limits.MESSAGES_FROM_ADDRESS.use_by(limits.address()),
    )
    limits.take(pause, *uses)
    code_id = uuid4()
    given = {"id": code_id, "user_id": user_id, "phone": phone, "valid": VALID}
    expires_at: datetime = db.session.execute(_INTEND, given).scalar_one()
    db.session.commit()
    fate = _send(messages, code_id, user_id, phone).fate
    if fate is Fate.REFUSED:
        raise InvalidFields([{"field": "phone", "message": "cannot receive text messages"}])
    if fate is Fate.FAILED:
        # Nothing was paid, and nobody's phone has rung; the pause stays.
        limits.give_back(*uses)
        db.session.commit()
        raise MessagesUnavailable("The message could not be sent.")
    return expires_at, fate


def verify(user_id: int, given: str) -> None:
    """Take `given` as the newest code; if it is right, its number is the user's."""
    uses = (limits.CODES_OF_ACCOUNT.use_by(user_id), limits.CODES_FROM_ADDRESS.use_by(limits.address()))
    limits.take(*uses)
    # The limits' rows are shared with others, who should not wait for the code's.
    db.session.commit()
    row = db.session.execute(_NEWEST, {"user_id": user_id}).mappings().first()
    if row is None:
        raise NoCode("No code was sent.")
    code = Code(**{name: value for name, value in row.items() if name != "now"})
    verdict = codes.judge(code, given, current_app.config["SECRET_KEY"], row["now"])
    match verdict:
        case Verdict.RIGHT:
            db.session.execute(_USE, {"id": code.id})
            db.session.execute(_VERIFIED, {"user_id": user_id, "phone": code.phone})
            events.phone_verified(user_id, code.id)
            limits.give_back(*uses)
            db.session.commit()
        case Verdict.WRONG:
            db.session.execute(_MISS, {"id": code.id})
            db.session.commit()
            left = ATTEMPTS - code.attempts - 1
            raise WrongCode(f"This is not the code; {left} attempts are left.", attempts_left=left)
        case Verdict.NONE_SENT:
            raise NoCode("No code was sent.")
        case Verdict.USED:
            raise CodeUsed("This code was used before.")
        case Verdict.EXPIRED:
            raise CodeExpired("A code is valid for 5 minutes.")
        case Verdict.EXHAUSTED:
            raise CodeExhausted(f"A code can be tried {ATTEMPTS} times.")


def forget() -> None:
    """Codes of long ago."""
    db.session.execute(_FORGET)


def _send(messages: Messages, code_id: UUID, user_id: int, phone: str) -> Sending:
    db.session.execute(_CLAIM, {"id": code_id})
    digits = codes.digits(current_app.config["SECRET_KEY"], code_id, user_id, phone)
    sending = messages.send(phone, f"{digits} is your code for the shop, for 5 minutes. Give it to nobody.")
    db.session.execute(_RECORD, {"id": code_id, "state": sending.fate, "reference": sending.reference})
    db.session.commit()
    return sending
