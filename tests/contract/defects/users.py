"""Defects of the users service."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text, true
from werkzeug.wrappers import Response

from tests.contract.defects.changes import answering, nothing, told, twice
from tests.contract.defects.defect import Defect

SERVICE = "extracted.users.service:UsersService"
ACCOUNTS = "extracted.users.accounts"
PHONE = "extracted.users.phone"
SESSIONS = "extracted.users.sessions"


def _status_200(response: Response) -> None:
    response.status_code = 200 if response.status_code == 201 else response.status_code


def _without_phone(document: dict[str, Any]) -> None:
    document["phone"] = None


def _epoch_stays(right: Any) -> Any:
    def wrong(self: Any, account_id: int, confirmed: str, password_hash: str) -> Any:
        with self._database.write() as connection:
            connection.exec_driver_sql(
                "update credential set password_hash = %s where account_id = %s", (password_hash, account_id)
            )
        return self.get(account_id)

    return wrong


def _exact_case(right: Any) -> Any:
    def wrong(self: Any, email: str, password: str) -> Any:
        account = right(self, email, password)
        if account.email != email:
            raise right.__globals__["WrongCredentials"]()
        return account

    return wrong


def _trimmed(right: Any) -> Any:
    return lambda self, account_id, name: right(self, account_id, name.strip())


USERS = (
    Defect("signup-is-200", "a new account is answered with 200", f"{SERVICE}.sign_up", answering(_status_200)),
    Defect("contact-without-phone", "other domains learn no phone", "extracted.users.schemas:contact_document",
           told(_without_phone)),
    Defect("others-stay-logged-in", "a logout does not end other sessions", f"{ACCOUNTS}:Accounts.end_sessions",
           nothing),
    Defect("sessions-outlive-password", "a new password leaves old sessions", f"{ACCOUNTS}:Accounts.change_password",
           _epoch_stays),
    Defect("case-matters", "an e-mail address in other letters is unknown",
           "extracted.users.login:Login.authenticate", _exact_case),
    Defect("everybody-sells", "buyers are said to be sellers", f"{SESSIONS}:ROLES",
           lambda right: {**right, "buyer": right["seller"]}),
    Defect("any-token", "every CSRF token is valid", f"{SESSIONS}:Visit.has_csrf_token",
           lambda right: lambda self: True),
    Defect("endless-attempts", "wrong codes are not counted", f"{PHONE}:_MISS",
           lambda right: text("select cast(:id as uuid)")),
    Defect("code-works-twice", "a used code can be used again", f"{PHONE}:_USE",
           lambda right: text("update code set attempts = attempts + 1 where id = :id")),
    Defect("seller-without-phone", "nobody has to prove a phone to sell", f"{ACCOUNTS}:or_",
           lambda right: lambda *conditions: true()),
    Defect("no-rate-limit", "nothing is counted", "extracted.users.limits:Limits.take", nothing),
    Defect("trimmed-name", "a changed name loses its spaces", f"{ACCOUNTS}:Accounts.rename", _trimmed),
    Defect("not-logged-in", "a new account is not logged in", f"{SESSIONS}:Visit.begin", nothing),
    Defect("extra-message", "a code is sent in two messages", "extracted.users.twilio_messages:TwilioMessages.send",
           twice),
)  # fmt: skip
