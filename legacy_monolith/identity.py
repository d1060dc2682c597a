"""Who asks: session and remember cookie, the CSRF token, roles; and the signed statement of it for other services."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask import Flask, current_app, request, session
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf.csrf import CSRFProtect, validate_csrf
from sqlalchemy import bindparam, select
from wtforms.validators import ValidationError  # type: ignore[import-untyped]

from legacy_monolith.database import SAFE_METHODS, db
from legacy_monolith.errors import CsrfTokenInvalid, NotAuthenticated, RoleRequired
from legacy_monolith.users.models import User

View = TypeVar("View", bound=Callable[..., Any])

ROLES = {"buyer": ("buyer",), "seller": ("buyer", "seller")}
STATEMENT_SECONDS = 60

# Whose login it was, in which of their epochs, and when.
_LOGIN = re.compile(r"([1-9][0-9]{0,17})\.([0-9]{1,9})\.([0-9]{1,12})")


class Logins(LoginManager):
    """Flask-Login, which would look up a void remember cookie again at every request."""

    def _load_user_from_remember_cookie(self, cookie: str) -> Any:
        user = super()._load_user_from_remember_cookie(cookie)
        if user is None:
            for name in ("_user_id", "_fresh"):
                session.pop(name, None)
            session["_remember"] = "clear"
        return user


csrf = CSRFProtect()
login_manager = Logins()
# A session is bound to its user's session epoch, not to the address and browser it came from.
login_manager.session_protection = None

users = User.__table__.c
_BY_ID = select(users.id, users.role, users.session_epoch).where(users.id == bindparam("id"))


class Account(UserMixin):
    """The user behind a session, as little of it as every request needs."""

    def __init__(self, user_id: int, role: str, session_epoch: int, since: int) -> None:
        self.id = user_id
        self.roles = ROLES[role]
        self.session_epoch = session_epoch
        self.since = since

    def get_id(self) -> str:
        """What the session says of the user, and the remember cookie, too: both end with the epoch."""
        return f"{self.id}.{self.session_epoch}.{self.since}"


@login_manager.user_loader
def load_account(login: str) -> Account | None:
    """None ends the session: it is too old, the user is gone, or has logged out since the cookie was made."""
    said = _LOGIN.fullmatch(login)
    if said is None:
        return None
    user_id, epoch, since = map(int, said.groups())
    # A copied cookie knows no date on which the browser throws it away.
    if time.time() - since > current_app.config["REMEMBER_COOKIE_DURATION"].total_seconds():
        return None
    row = db.session.execute(_BY_ID, {"id": user_id}).first()
    if row is None or row.session_epoch != epoch:
        return None
    return Account(row.id, row.role, epoch, since)


def account() -> Account:
    """The logged-in user, or 401."""
    if not current_user.is_authenticated:
        raise NotAuthenticated("This needs a logged-in user.")
    return cast(Account, current_user._get_current_object())


def user_id_if_known() -> int | None:
    return current_user.id if current_user.is_authenticated else None


def requires_login(view: View) -> View:
    return requires_role("buyer")(view)


def requires_role(role: str) -> Callable[[View], View]:
    """Identity first, then the CSRF token of an unsafe method, then the role."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            user = account()
            if role not in user.roles:
                raise RoleRequired(f"This needs the role {role}.")
            return view(*args, **kwargs)

        return cast(View, checked)

    return decorate


def check_csrf() -> None:
    """An unsafe request of somebody whom a cookie made known shows the session's token; others ride on nothing.

    A remember cookie alone makes known, too: that there is no session yet is no excuse.
    """
    if request.method in SAFE_METHODS or not current_user.is_authenticated:
        return
    if not csrf_token_is_valid():
        raise CsrfTokenInvalid("An unsafe request of a logged-in user needs a valid X-CSRF-Token.")


def csrf_token_is_valid() -> bool:
    try:
        validate_csrf(request.headers.get("X-CSRF-Token"))
    except ValidationError:
        return False
    return True


def statement(original_method: str) -> str | None:
    """A signed statement of who asks, valid for a minute; None for the anonymous."""
    if not current_user.is_authenticated:
        return None
    user = account()
    now = int(time.time())
    claims = {
        "sub": str(user.id),
        "roles": list(user.roles),
        "csrf": original_method not in SAFE_METHODS and csrf_token_is_valid(),
        "aud": "fig",
        "iat": now,
        "exp": now + STATEMENT_SECONDS,
    }
    return jwt.encode(claims, current_app.extensions["identity_private_key"], algorithm="EdDSA")


def init_app(app: Flask) -> None:
    key = Path(app.config["IDENTITY_PRIVATE_KEY_FILE"]).read_bytes()
    app.extensions["identity_private_key"] = load_pem_private_key(key, password=None)
    login_manager.init_app(app)
    csrf.init_app(app)
    app.before_request(check_csrf)
