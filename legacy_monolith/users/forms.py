"""What people send."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from legacy_monolith.validation import Input, Text

Email = Annotated[Text, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
NewPassword = Annotated[Text, StringConstraints(min_length=8, max_length=256)]
# One that was set before, by whatever rules.
Password = Annotated[Text, StringConstraints(max_length=256)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class SignUp(Input):
    email: Email
    password: NewPassword
    name: Name
    role: Literal["buyer", "seller"]


class Login(Input):
    email: Email
    password: Password
    remember: bool = False


class Profile(Input):
    name: Name


class EmailChange(Input):
    email: Email
    password: Password


class PasswordChange(Input):
    current_password: Password
    new_password: NewPassword


class PhoneNumber(Input):
    phone: Phone


class ReceivedCode(Input):
    code: Digits
