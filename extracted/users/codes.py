"""One-time codes: their digits, and what is to be thought of one that comes back. No IO.

The digits follow from the row and the secret key (HOTP, with a key of its own for each row): whoever reads the
database learns no code, and nothing has to be kept to check one.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from pyotp import HOTP

ATTEMPTS = 5
VALID = timedelta(minutes=5)


@dataclass(frozen=True)
class Code:
    """A code as the database knows it."""

    id: UUID
    account_id: int
    phone: str
    state: str
    attempts: int
    used_at: datetime | None
    expires_at: datetime


class Verdict(Enum):
    RIGHT = auto()
    WRONG = auto()
    NONE_SENT = auto()
    USED = auto()
    EXPIRED = auto()
    EXHAUSTED = auto()


def digits(secret_key: str, code_id: UUID, account_id: int, phone: str) -> str:
    """The six digits, which are in the message and nowhere else."""
    return _generator(secret_key, code_id, account_id, phone).at(0)


def judge(code: Code | None, given: str, secret_key: str, now: datetime) -> Verdict:
    """Only a right answer to a living code is right; what is void is void whatever is given."""
    # A message that surely never left has a code that nobody was told. One in doubt may have arrived.
    if code is None or code.state in ("refused", "failed"):
        return Verdict.NONE_SENT
    if code.used_at is not None:
        return Verdict.USED
    if now >= code.expires_at:
        return Verdict.EXPIRED
    if code.attempts >= ATTEMPTS:
        return Verdict.EXHAUSTED
    is_right = _generator(secret_key, code.id, code.account_id, code.phone).verify(given, 0)
    return Verdict.RIGHT if is_right else Verdict.WRONG


def _generator(secret_key: str, code_id: UUID, account_id: int, phone: str) -> HOTP:
    key = hmac.digest(secret_key.encode(), f"phone code:{code_id}:{account_id}:{phone}".encode(), "sha256")
    return HOTP(b32encode(key).decode(), digits=6, digest=hashlib.sha256)
