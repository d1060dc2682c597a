"""Is this the user's password? Counted before it is answered, and as slow for nobody as for somebody."""

from __future__ import annotations

from sqlalchemy import func, select, update

from legacy_monolith.database import Record, db
from legacy_monolith.errors import Problem, WrongCredentials, WrongPassword
from legacy_monolith.users import limits
from legacy_monolith.users.accounts import SHOWN
from legacy_monolith.users.models import User
from legacy_monolith.users.passwords import hash_password, is_current, password_matches


def authenticate(email: str, password: str) -> Record:
    """The user's row, or 401, which says nothing of whether there is one."""
    row = db.session.execute(
        select(*SHOWN, User.password_hash).where(func.lower(User.email) == func.lower(email))
    ).first()
    # An account is counted under its id, however its address is written.
    subject = f"user {row.id}" if row else f"nobody {email.lower()}"
    user = _require(row, subject, password, WrongCredentials("E-mail address and password do not match."))
    if not is_current(user.password_hash):
        _hash_anew(user, password)
    return user


def confirm(user_id: int, password: str) -> str:
    """The hash that was compared with. It counts like a login: a stolen session must not serve to guess."""
    row = db.session.execute(select(User.id, User.password_hash).where(User.id == user_id)).one()
    stored: str = _require(row, f"user {user_id}", password, WrongPassword("This is not your password.")).password_hash
    return stored


def _require(row: Record | None, subject: str, password: str, refusal: Problem) -> Record:
    uses = (
        limits.PASSWORDS_OF_ACCOUNT.use_by(subject),
        limits.PASSWORDS_FROM_ADDRESS.use_by(limits.address()),
    )
    limits.take(*uses)
    # Hashing takes long; no connection is kept meanwhile.
    db.session.commit()
    if not password_matches(row.password_hash if row else None, password) or row is None:
        raise refusal
    limits.give_back(*uses)
    db.session.commit()
    return row


def _hash_anew(user: Record, password: str) -> None:
    """By today's rules; unless the password was changed meanwhile, which was done by them anyway."""
    password_hash = hash_password(password)
    unchanged = (User.id == user.id, User.password_hash == user.password_hash)
    db.session.execute(update(User).where(*unchanged).values(password_hash=password_hash))
    db.session.commit()
