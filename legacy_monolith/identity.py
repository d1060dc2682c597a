"""Who asks, with which role, and whether the request is meant.

While the users are here: session and remember cookie, and the CSRF token. While they are elsewhere: the statement of
their owner, which the proxy puts into X-Identity; cookies are then neither read nor written.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Flask, current_app, request, session
from flask_login import LoginManager, UserMixin, current_user
from flask_login.utils import decode_cookie
from flask_wtf.csrf import CSRFProtect, validate_csrf
from sqlalchemy import bindparam, select
from wtforms.validators import ValidationError  # type: ignore[import-untyped]

from legacy_monolith import ownership, statements
from legacy_monolith.database import SAFE_METHODS, db
from legacy_monolith.errors import CsrfTokenInvalid, NotAuthenticated, RoleRequired, TemporarilyUnavailable
from legacy_monolith.statements import Stated
from legacy_monolith.users.models import User

View = TypeVar("View", bound=Callable[..., Any])

ROLES = {"buyer": ("buyer",), "seller": ("buyer", "seller")}
# How long a new user's row may be on its way from the side that owns the users.
COPY_SECONDS = 2.0
COPY_POLL_SECONDS = 0.02

# Whose login it was, in which of their epochs, and when.
_LOGIN = re.compile(r"([1-9][0-9]{0,17})\.([0-9]{1,9})\.([0-9]{1,12})")


class Logins(LoginManager):
    """Flask-Login, as long as the users are here."""

    def _load_user(self) -> None:
        stated = request.headers.get("X-Identity", "")
        cookies = ("session", current_app.config["REMEMBER_COOKIE_NAME"])
        # Nobody says who it is: that costs no look at the database.
        is_named = stated or any(name in request.cookies for name in cookies)
        if is_named and not ownership.is_here("users"):
            self._update_request_context_with_user(statements.read(stated) if stated else None)
        else:
            self.look_at_cookies()

    def look_at_cookies(self) -> None:
        super()._load_user()

    def _load_user_from_remember_cookie(self, cookie: str) -> Account | None:
        """A void cookie is thrown away, or it would be looked up again at every request."""
        login = remembered_login(cookie)
        user = load_account(login) if login is not None else None
        if user is None:
            for name in ("_user_id", "_fresh"):
                session.pop(name, None)
            session["_remember"] = "clear"
        else:
            session["_user_id"], session["_fresh"] = login, False
        return user


csrf = CSRFProtect()
_signed: set[str] = set()
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


def remembered_login(cookie: str) -> str | None:
    """What the remember cookie says, if it was made with our key or a former one."""
    keys = (current_app.config["SECRET_KEY"], *(current_app.config["SECRET_KEY_FALLBACKS"] or ()))
    read = (decode_cookie(cookie, key) for key in keys)
    return next((login for login in read if login is not None), None)


def account() -> Account | Stated:
    """The logged-in user, or 401."""
    if not current_user.is_authenticated:
        raise NotAuthenticated("This needs a logged-in user.")
    return cast(Account | Stated, current_user._get_current_object())


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
            if isinstance(user, Stated) and request.method not in SAFE_METHODS:
                _wait_until_copied(user.id)
            return view(*args, **kwargs)

        return cast(View, checked)

    return decorate


def knows_by_signature(endpoint: str) -> None:
    """Who asks there is known by a signature of their own: cookies say nothing, so nobody can ride on them."""
    _signed.add(endpoint)


def check_csrf() -> None:
    """An unsafe request of somebody whom a cookie made known shows the session's token; others ride on nothing.

    A remember cookie alone makes known, too: that there is no session yet is no excuse.
    """
    if request.method in SAFE_METHODS or request.endpoint in _signed or not current_user.is_authenticated:
        return
    user = account()
    if not (user.csrf if isinstance(user, Stated) else csrf_token_is_valid()):
        raise CsrfTokenInvalid("An unsafe request of a logged-in user needs a valid X-CSRF-Token.")


def csrf_token_is_valid() -> bool:
    try:
        validate_csrf(request.headers.get("X-CSRF-Token"))
    except ValidationError:
        return False
    return True


def statement(original_method: str) -> str | None:
    """A signed statement of who asks, valid for a minute; None for the anonymous.

    Cookies decide, whoever owns the users: the proxy asks the side that it takes for the owner, and during a switch
    the rows of the one that was are as good.
    """
    login_manager.look_at_cookies()
    if not current_user.is_authenticated:
        return None
    user = account()
    return statements.state(user.id, user.roles, original_method not in SAFE_METHODS and csrf_token_is_valid())


def _wait_until_copied(user_id: int) -> None:
    """The row that foreign keys of what is written now need: who signed up a moment ago may be on the way here."""
    deadline = time.monotonic() + COPY_SECONDS
    while db.session.execute(_BY_ID, {"id": user_id}).first() is None:
        # Neither a connection nor a snapshot is kept while waiting.
        db.session.rollback()
        if time.monotonic() > deadline:
            raise TemporarilyUnavailable("Your account is not known here yet.")
        time.sleep(COPY_POLL_SECONDS)


def init_app(app: Flask) -> None:
    statements.init_app(app)
    login_manager.init_app(app)
    csrf.init_app(app)
    app.before_request(check_csrf)
