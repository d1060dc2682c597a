"""Accounts: opening, reading and changing them. Each method is one transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from extracted.platform.database import Database
from extracted.users import events
from extracted.users.errors import AccountNotFound, EmailTaken, PhoneNotVerified, WrongPassword
from extracted.users.storage import ONE_ACCOUNT, Account, account, account_of, credential, verification


class Accounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, account_id: int) -> Account | None:
        with self._database.read() as connection:
            row = connection.execute(ONE_ACCOUNT, {"id": account_id}).one_or_none()
        return None if row is None else account_of(row)

    def get(self, account_id: int) -> Account:
        found = self.find(account_id)
        if found is None:
            raise AccountNotFound(account_id)
        return found

    def open(self, email: str, password_hash: str, name: str, role: str) -> Account:
        values = {"email": email, "name": name, "role": role}
        statement = upsert(account).values(values).on_conflict_do_nothing().returning(account.c.id)
        with self._database.write() as connection:
            account_id = connection.execute(statement).scalar_one_or_none()
            if account_id is None:
                raise EmailTaken
            connection.execute(insert(credential), {"account_id": account_id, "password_hash": password_hash})
            events.signed_up(connection, account_id)
            return _account(connection, account_id)

    def rename(self, account_id: int, name: str) -> Account:
        with self._database.write() as connection:
            return _changed(connection, account_id, {"name": name})

    def change_email(self, account_id: int, email: str) -> Account:
        try:
            with self._database.write() as connection:
                # The old address, as it is until this transaction ends.
                mine = select(account.c.email).where(account.c.id == account_id).with_for_update()
                old_email = connection.execute(mine).scalar_one()
                changed = _changed(connection, account_id, {"email": email})
                if email != old_email:
                    events.email_changed(connection, account_id, old_email)
                return changed
        except IntegrityError:
            raise EmailTaken from None

    def change_password(self, account_id: int, confirmed: str, password_hash: str) -> Account:
        """The new password and a new epoch, if the hash is still the one that the old password was compared with."""
        mine = (credential.c.account_id == account_id, credential.c.password_hash == confirmed)
        values = {"password_hash": password_hash, "session_epoch": credential.c.session_epoch + 1}
        with self._database.write() as connection:
            if connection.execute(update(credential).where(*mine).values(values)).rowcount == 0:
                raise WrongPassword("The password was changed meanwhile.")
            changed = _account(connection, account_id)
            events.password_changed(connection, account_id, changed.session_epoch)
            return changed

    def end_sessions(self, account_id: int) -> None:
        mine = update(credential).where(credential.c.account_id == account_id)
        ended = mine.values(session_epoch=credential.c.session_epoch + 1).returning(credential.c.session_epoch)
        with self._database.write() as connection:
            epoch = connection.execute(ended).scalar_one()
            events.logged_out_everywhere(connection, account_id, epoch)

    def make_seller(self, account_id: int) -> Account:
        """Who sells can be called; who sells already may go on."""
        verified = select(literal(1)).where(verification.c.account_id == account.c.id).exists()
        may_sell = or_(verified, account.c.role == "seller")
        mine = update(account).where(account.c.id == account_id, may_sell)
        with self._database.write() as connection:
            if connection.execute(mine.values(role="seller")).rowcount == 0:
                raise PhoneNotVerified
            return _account(connection, account_id)


def _changed(connection: Connection, account_id: int, values: dict[str, Any]) -> Account:
    connection.execute(update(account).where(account.c.id == account_id).values(values))
    return _account(connection, account_id)


def _account(connection: Connection, account_id: int) -> Account:
    return account_of(connection.execute(ONE_ACCOUNT, {"id": account_id}).one())
