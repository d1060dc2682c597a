"""The beginning, the going on and the end of a browser's session. Whose it is and until when: identity.py."""

from __future__ import annotations

import time

from flask import current_app, request, session
from flask_login import login_user

from legacy_monolith.database import Record
from legacy_monolith.identity import Account, remembered_login


def begin(user: Record, remember: bool = False) -> None:
    """A new session: nothing of an earlier one, its CSRF token least of all, lives on."""
    session.clear()
    login_user(_account(user), remember=remember)
    if not remember:
        _forget()


def go_on(user: Record) -> None:
    """The same session in the user's present epoch; it is remembered as before."""
    cookie = request.cookies.get(current_app.config["REMEMBER_COOKIE_NAME"], "")
    login_user(_account(user), remember=remembered_login(cookie) is not None)


def announce_role(role: str) -> None:
    """Proxies know a session by its cookie, and ask again who it is when the cookie is a new one."""
    session["role"] = role


def end() -> None:
    session.clear()
    _forget()


def _forget() -> None:
    """Whoever was remembered in this browser is not any more."""
    if current_app.config["REMEMBER_COOKIE_NAME"] in request.cookies:
        session["_remember"] = "clear"


def _account(user: Record) -> Account:
    return Account(user.id, user.role, user.session_epoch, int(time.time()))
