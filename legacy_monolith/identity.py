"""Who asks: the session cookie, the CSRF token, roles; and the signed statement of it for other services."""

from __future__ import annotations

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

csrf = CSRFProtect()
login_manager = LoginManager()
# A session is bound to its user's session epoch, not to the address and browser it came from.
login_manager.session_protection = None

users = User.__table__.c
_BY_ID = select(users.id, users.role, users.session_epoch).where(users.id == bindparam("id"))


class Account(UserMixin):
    """The user behind a session, as little of it as every request needs."""

    def __init__(self, user_id: int, role: str, session_epoch: int) -> None:
        self.id = user_id
        self.roles = ROLES[role]
        self.session_epoch = session_epoch


@login_manager.user_loader
def load_account(user_id: str) -> Account | None:
    """None ends the session: the user is gone, or has logged out since the cookie was made."""
    if not user_id.isdecimal():
        return None
    row = db.session.execute(_BY_ID, {"id": int(user_id)}).first()
    if row is None or row.session_epoch != session.get("epoch"):
        return None
    return Account(row.id, row.role, row.session_epoch)


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
    """An unsafe request that rides on a session shows its token; without one there is nothing to ride on."""
    if request.method in SAFE_METHODS or not session or not current_user.is_authenticated:
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
