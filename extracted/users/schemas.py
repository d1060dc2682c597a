"""The shapes of the users' API: bodies in, documents out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from extracted.platform.validation import Input, Text
from extracted.users.messages import Fate
from extracted.users.storage import Account

Email = Annotated[Text, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
NewPassword = Annotated[Text, StringConstraints(min_length=8, max_length=256)]
# One that was set before, by whatever rules.
Password = Annotated[Text, StringConstraints(max_length=256)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class SignUpForm(Input):
    email: Email
    password: NewPassword
    name: Name
    role: Literal["buyer", "seller"]


class LoginForm(Input):
    email: Email
    password: Password
    remember: bool = False


class ProfileForm(Input):
    name: Name


class EmailForm(Input):
    email: Email
    password: Password


class PasswordForm(Input):
    current_password: Password
    new_password: NewPassword


class PhoneForm(Input):
    phone: Phone


class CodeForm(Input):
    code: Digits


def moment(at: datetime) -> str:
    """RFC 3339 in UTC with all six digits."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def account_document(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "email": account.email,
        "name": account.name,
        "role": account.role,
        "phone": account.phone,
        "created_at": moment(account.created_at),
    }


def contact_document(account: Account) -> dict[str, Any]:
    return {"id": account.id, "name": account.name, "email": account.email, "phone": account.phone}


def code_document(expires_at: datetime, fate: Fate) -> dict[str, Any]:
    return {"expires_at": moment(expires_at), "delivery": fate}
