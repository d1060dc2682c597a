"""Is this the user's password? Counted before it is answered, and as slow for nobody as for somebody."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Row, func, select, update

from extracted.platform.database import Database
from extracted.platform.problems import Refusal
from extracted.users.errors import WrongCredentials, WrongPassword
from extracted.users.limits import PASSWORDS_FROM_ADDRESS, PASSWORDS_OF_ACCOUNT, Limits
from extracted.users.passwords import hash_password, is_current, password_matches
from extracted.users.storage import ACCOUNTS, Account, account, account_of, credential

_BY_EMAIL = ACCOUNTS.add_columns(credential.c.password_hash)
_HASH = select(credential.c.account_id.label("id"), credential.c.password_hash)


@dataclass(frozen=True)
class Login:
    """Passwords that come from one address."""

    database: Database
    limits: Limits
    address: str

    def authenticate(self, email: str, password: str) -> Account:
        """The account, or 401, which says nothing of whether there is one."""
        with self.database.read() as connection:
            row = connection.execute(_BY_EMAIL.where(func.lower(account.c.email) == func.lower(email))).one_or_none()
        # An account is counted under its id, however its address is written.
        subject = f"user {row.id}" if row else f"nobody {email.lower()}"
        found = self._require(row, subject, password, WrongCredentials())
        if not is_current(found.password_hash):
            self._hash_anew(found.id, found.password_hash, password)
        return account_of(found)

    def confirm(self, account_id: int, password: str) -> str:
        """The hash that was compared with. It counts like a login: a stolen session must not serve to guess."""
        with self.database.read() as connection:
            row = connection.execute(_HASH.where(credential.c.account_id == account_id)).one()
        refusal = WrongPassword("This is not your password.")
        return str(self._require(row, f"user {account_id}", password, refusal).password_hash)

    def _require(
        self, row: Row[*tuple[object, ...]] | None, subject: str, password: str, refusal: Refusal
    ) -> Row[*tuple[object, ...]]:
        uses = (
            self.limits.use(PASSWORDS_OF_ACCOUNT, subject),
            self.limits.use(PASSWORDS_FROM_ADDRESS, self.address),
        )
        self.limits.take(*uses)
        # Hashing takes long; no connection is kept meanwhile.
        if not password_matches(row.password_hash if row else None, password) or row is None:
            raise refusal
        self.limits.give_back(*uses)
        return row

    def _hash_anew(self, account_id: int, stored: str, password: str) -> None:
        """By today's rules; unless the password was changed meanwhile, which was done by them anyway."""
        password_hash = hash_password(password)
        unchanged = (credential.c.account_id == account_id, credential.c.password_hash == stored)
        with self.database.write() as connection:
            connection.execute(update(credential).where(*unchanged).values(password_hash=password_hash))
