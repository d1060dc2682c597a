"""Proving a phone number: a code goes out, a code comes back.

The intent is a committed row before the message goes out: whatever dies, it is known that one may have been sent.
During the sending the row is locked, so that whoever stops writes to these tables waits for the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text

from extracted.platform.database import Database
from extracted.platform.problems import FieldError, InvalidFields
from extracted.users import codes, events
from extracted.users.codes import ATTEMPTS, VALID, Code, Verdict
from extracted.users.errors import (
    CodeExhausted,
    CodeExpired,
    CodeUsed,
    MessagesNotConfigured,
    MessagesUnavailable,
    NoCode,
    WrongCode,
)
from extracted.users.limits import (
    CODES_FROM_ADDRESS,
    CODES_OF_ACCOUNT,
    MESSAGE_PAUSE,
    MESSAGES_FROM_ADDRESS,
    MESSAGES_OF_ACCOUNT,
    MESSAGES_TO_NUMBER,
    Limits,
    Use,
    give_back,
)
from extracted.users.messages import Fate, Messages, Sending

_INTEND = text("""
    insert into code (id, account_id, phone, state, expires_at)
    values (:id, :account_id, :phone, 'intended', now() + :valid) returning expires_at
""")
# The outcome hoped for; it is committed only when it is known, together with what it really is.
_CLAIM = text("update code set state = 'sent' where id = :id and state = 'intended'")
_RECORD = text("update code set state = :state, reference = :reference where id = :id")
# Only the newest code counts. Who comes second waits here, and then sees what the first has done.
_NEWEST = text("""
    select id, account_id, phone, state, attempts, used_at, expires_at, clock_timestamp() as now from code
    where account_id = :account_id order by created_at desc, id desc limit 1 for update
""")
_MISS = text("update code set attempts = attempts + 1 where id = :id")
_USE = text("update code set used_at = now(), attempts = attempts + 1 where id = :id")
_VERIFIED = text("""
    insert into verification (account_id, phone, verified_at) values (:account_id, :phone, now())
    on conflict (account_id) do update set phone = excluded.phone, verified_at = excluded.verified_at
""")


@dataclass(frozen=True)
class Phones:
    """Codes that are asked for and come back from one address."""

    database: Database
    limits: Limits
    messages: Messages | None
    secret_key: str
    address: str

    def send_code(self, account_id: int, phone: str) -> tuple[datetime, Fate]:
        """Until when the new code is valid, and whether it was sent for sure. Earlier codes are void."""
        messages = self.messages
        if messages is None:
            raise MessagesNotConfigured
        pause = self.limits.use(MESSAGE_PAUSE, account_id)
        uses = (
            self.limits.use(MESSAGES_OF_ACCOUNT, account_id),
            self.limits.use(MESSAGES_TO_NUMBER, phone),
            self.limits.use(MESSAGES_FROM_ADDRESS, self.address),
        )
        self.limits.take(pause, *uses)
        code_id = uuid4()
        given = {"id": code_id, "account_id": account_id, "phone": phone, "valid": VALID}
        with self.database.write() as connection:
            expires_at: datetime = connection.execute(_INTEND, given).scalar_one()
        fate = self._send(messages, code_id, account_id, phone).fate
        if fate is Fate.REFUSED:
            raise InvalidFields([FieldError("phone", "cannot receive text messages")])
        if fate is Fate.FAILED:
            # Nothing was paid, and nobody's phone has rung; the pause stays.
            self.limits.give_back(*uses)
            raise MessagesUnavailable
        return expires_at, fate

    def verify(self, account_id: int, given: str) -> None:
        """Take `given` as the newest code; if it is right, its number is the user's."""
        uses = (
            self.limits.use(CODES_OF_ACCOUNT, account_id),
            self.limits.use(CODES_FROM_ADDRESS, self.address),
        )
        # The limits' rows are shared with others, who should not wait for the code's.
        self.limits.take(*uses)
        left = self._judge(account_id, given, uses)
        if left is not None:
            raise WrongCode(left)

    def _judge(self, account_id: int, given: str, uses: tuple[Use, ...]) -> int | None:
        """The attempts that are left after a wrong one, which is counted; None if it was right."""
        with self.database.write() as connection:
            row = connection.execute(_NEWEST, {"account_id": account_id}).mappings().first()
            if row is None:
                raise NoCode
            code = Code(**{name: value for name, value in row.items() if name != "now"})
            match codes.judge(code, given, self.secret_key, row["now"]):
                case Verdict.RIGHT:
                    connection.execute(_USE, {"id": code.id})
                    connection.execute(_VERIFIED, {"account_id": account_id, "phone": code.phone})
                    events.phone_verified(connection, account_id, code.id)
                    give_back(connection, *uses)
                    return None
                case Verdict.WRONG:
                    connection.execute(_MISS, {"id": code.id})
                    return ATTEMPTS - code.attempts - 1
                case Verdict.NONE_SENT:
                    raise NoCode
                case Verdict.USED:
                    raise CodeUsed
                case Verdict.EXPIRED:
                    raise CodeExpired
                case Verdict.EXHAUSTED:
                    raise CodeExhausted(ATTEMPTS)

    def _send(self, messages: Messages, code_id: UUID, account_id: int, phone: str) -> Sending:
        with self.database.write() as connection:
            connection.execute(_CLAIM, {"id": code_id})
            digits = codes.digits(self.secret_key, code_id, account_id, phone)
            sending = messages.send(phone, f"{digits} is your code for the shop, for 5 minutes. Give it to nobody.")
            outcome = {"id": code_id, "state": sending.fate, "reference": sending.reference}
            connection.execute(_RECORD, outcome)
        return sending
