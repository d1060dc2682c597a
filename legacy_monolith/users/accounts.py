"""Accounts as rows: reading one, showing it, changing it. Nothing here commits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from legacy_monolith.database import Record, db
from legacy_monolith.errors import EmailTaken, NotFound, PhoneNotVerified, WrongPassword
from legacy_monolith.users.models import User
from legacy_monolith.web import moment

# Columns of the table, not attributes of the class: nothing of the ORM is needed to show a row.
users = User.__table__.c
SHOWN = (users.id, users.email, users.name, users.role, users.phone, users.session_epoch, users.created_at)
_BY_ID = select(*SHOWN).where(users.id == bindparam("id"))
_TAKEN = "There is an account with this e-mail address already."


def by_id(user_id: int) -> Record:
    return db.session.execute(_BY_ID, {"id": user_id}).one()


def find(user_id: int) -> Record:
    row = db.session.execute(_BY_ID, {"id": user_id}).first()
    if row is None:
        raise NotFound(f"There is no user {user_id}.")
    return row


def open_account(email: str, password_hash: str, name: str, role: str) -> Record:
    statement = insert(User).values(email=email, password_hash=password_hash, name=name, role=role)
    row = db.session.execute(statement.on_conflict_do_nothing().returning(*SHOWN)).first()
    if row is None:
        raise EmailTaken(_TAKEN)
    return row


def rename(user_id: int, name: str) -> Record:
    return db.session.execute(update(User).where(User.id == user_id).values(name=name).returning(*SHOWN)).one()


def lock(user_id: int) -> Record:
    """As it is until the transaction ends."""
    return db.session.execute(_BY_ID.with_for_update(), {"id": user_id}).one()


def change_email(user_id: int, email: str) -> Record:
    statement = update(User).where(User.id == user_id).values(email=email).returning(*SHOWN)
    try:
        return db.session.execute(statement).one()
    except IntegrityError:
        raise EmailTaken(_TAKEN) from None


def change_password(user_id: int, confirmed: str, password_hash: str) -> Record:
    """The new password and a new epoch, if the hash is still the one that the old password was compared with."""
    statement = (
        update(User)
        .where(User.id == user_id, User.password_hash == confirmed)
        .values(password_hash=password_hash, session_epoch=User.session_epoch + 1)
        .returning(*SHOWN)
    )
    row = db.session.execute(statement).first()
    if row is None:
        raise WrongPassword("The password was changed meanwhile.")
    return row


def end_sessions(user_id: int) -> int:
    """The epoch that begins."""
    statement = update(User).where(User.id == user_id).values(session_epoch=User.session_epoch + 1)
    epoch: int = db.session.execute(statement.returning(User.session_epoch)).scalar_one()
    return epoch


def make_seller(user_id: int) -> Record:
    """Who sells can be called; who sells already may go on."""
    may_sell = or_(User.phone_verified_at.is_not(None), User.role == "seller")
    statement = update(User).where(User.id == user_id, may_sell).values(role="seller").returning(*SHOWN)
    row = db.session.execute(statement).first()
    if row is None:
        raise PhoneNotVerified("Sellers have a verified phone number.")
    return row


def shown(row: Record) -> dict[str, Any]:
    return {
        "id": row.id,
        "email": row.email,
        "name": row.name,
        "role": row.role,
        "phone": row.phone,
        "created_at": moment(row.created_at),
    }
