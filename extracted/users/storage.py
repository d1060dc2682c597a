"""The tables of accounts, and an account as most of the code wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Enum, Integer, MetaData, Table, Text, Uuid, bindparam, select
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

account = Table(
    "account",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("email", Text),
    Column("name", Text),
    Column("role", Enum("buyer", "seller", name="account_role")),
    Column("created_at", DateTime(timezone=True)),
)
credential = Table(
    "credential",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("password_hash", Text),
    # Every session carries the epoch it began in; one step on ends all sessions of the account.
    Column("session_epoch", Integer),
)
verification = Table(
    "verification",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("phone", Text),
    Column("verified_at", DateTime(timezone=True)),
)
code = Table(
    "code",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", BigInteger),
    Column("phone", Text),
    Column("state", Enum("intended", "sent", "refused", "failed", "in_doubt", name="code_state")),
    Column("reference", Text),
    Column("attempts", Integer),
    Column("used_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
)
outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("type", Text),
    Column("payload", JSONB),
    Column("created_at", DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody, without what opens the account."""

    id: int
    email: str
    name: str
    role: str
    phone: str | None
    session_epoch: int
    created_at: datetime


_COLUMNS = (
    account.c.id,
    account.c.email,
    account.c.name,
    account.c.role,
    verification.c.phone,
    credential.c.session_epoch,
    account.c.created_at,
)
ACCOUNTS = select(*_COLUMNS).select_from(
    account.join(credential, credential.c.account_id == account.c.id).outerjoin(
        verification, verification.c.account_id == account.c.id
    )
)
ONE_ACCOUNT = ACCOUNTS.where(account.c.id == bindparam("id"))


def account_of(row: Sequence[Any]) -> Account:
    return Account(*row[: len(_COLUMNS)])
