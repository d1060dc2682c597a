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
    _require(row, subject, password, WrongCredentials("E-mail address and password do not match."))
    assert row is not None  # noqa: S101  for the type checker: nobody has a matching password
    return row


def confirm(user_id: int, password: str) -> str:
    """The hash that was compared with. It counts like a login: a stolen session must not serve to guess."""
    row = db.session.execute(select(User.id, User.password_hash).where(User.id == user_id)).one()
    _require(row, f"user {user_id}", password, WrongPassword("This is not your password."))
    stored: str = row.password_hash
    return stored


def _require(row: Record | None, subject: str, password: str, refusal: Problem) -> None:
    uses = (
        limits.PASSWORDS_OF_ACCOUNT.use_by(subject),
        limits.PASSWORDS_FROM_ADDRESS.use_by(limits.address()),
    )
    limits.take(*uses)
    # Hashing takes long; no connection is kept meanwhile.
    db.session.commit()
    if not password_matches(row.password_hash if row else None, password) or row is None:
        raise refusal
    anew = None if is_current(row.password_hash) else hash_password(password)
    limits.give_back(*uses)
    if anew:
        # Unless the password was changed meanwhile: that one is hashed by today's rules anyway.
        unchanged = (User.id == row.id, User.password_hash == row.password_hash)
        db.session.execute(update(User).where(*unchanged).values(password_hash=anew))
    db.session.commit()
