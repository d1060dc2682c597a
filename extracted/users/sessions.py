"""A browser's visit: whose session its cookies are, and what becomes of them.

A login is `id.epoch.since`, in the session and in the remember cookie alike: both end with the epoch, and 30 days
after they began.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug.wrappers import Request, Response

from extracted.platform.problems import CsrfTokenInvalid, NotAuthenticated
from extracted.users.cookies import REMEMBER, SESSION, CookieKeys
from extracted.users.storage import Account

LOGIN_DAYS = timedelta(days=30)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
ROLES = {"buyer": ("buyer",), "seller": ("buyer", "seller")}
_LOGIN = re.compile(r"([1-9][0-9]{0,17})\.([0-9]{1,9})\.([0-9]{1,12})")


@dataclass(frozen=True)
class Somebody:
    """Who is behind a session, and since when."""

    id: int
    roles: tuple[str, ...]
    since: int


class Visit:
    """One request's cookies; `finish` writes them into its answer, whatever that is."""

    def __init__(
        self, request: Request, keys: CookieKeys, find: Callable[[int], Account | None], secure: bool = False
    ) -> None:
        self._request = request
        self._keys = keys
        self._find = find
        self._secure = secure
        self._session = keys.read_session(request.cookies.get(SESSION, ""))
        self._before = dict(self._session)
        self._remember: str | None = None
        self._somebody: Somebody | None = None
        self._is_known = False

    @property
    def somebody(self) -> Somebody | None:
        if not self._is_known:
            self._somebody = self._look()
            self._is_known = True
        return self._somebody

    def check_csrf(self) -> None:
        """An unsafe request of somebody whom a cookie made known shows the session's token."""
        if self._request.method in SAFE_METHODS or self.somebody is None:
            return
        if not self.has_csrf_token():
            raise CsrfTokenInvalid("An unsafe request of a logged-in user needs a valid X-CSRF-Token.")

    def require(self) -> Somebody:
        """The logged-in user, or 401."""
        if self.somebody is None:
            raise NotAuthenticated("This needs a logged-in user.")
        return self.somebody

    def has_csrf_token(self) -> bool:
        return self._keys.is_csrf_token(self._request.headers.get("X-CSRF-Token", ""), self._session)

    def csrf_token(self) -> str:
        return self._keys.csrf_token(self._session)

    def begin(self, account: Account, remember: bool = False) -> None:
        """A new session: nothing of an earlier one, its CSRF token least of all, lives on."""
        self._session.clear()
        self._log_in(account)
        self._remember = "set" if remember else "clear"

    def go_on(self, account: Account) -> None:
        """The same session in the account's present epoch; it is remembered as before."""
        self._log_in(account)
        if self._keys.read_remembered(self._request.cookies.get(REMEMBER, "")) is not None:
            self._remember = "set"

    def announce_role(self, role: str) -> None:
        """Proxies know a session by its cookie, and ask again who it is when the cookie is a new one."""
        self._session["role"] = role

    def end(self) -> None:
        self._session.clear()
        self._remember = "clear"

    def finish(self, response: Response) -> None:
        # What the session says of the remember cookie is not for the next request, as with Flask-Login.
        self._session.pop("_remember", None)
        if self._remember == "set":
            login = self._keys.write_remembered(self._session["_user_id"])
            self._set(response, REMEMBER, login, expires=datetime.now(UTC) + LOGIN_DAYS)
        elif self._remember == "clear" and REMEMBER in self._request.cookies:
            response.delete_cookie(REMEMBER)
        if self._session != self._before:
            if self._session:
                self._set(response, SESSION, self._keys.write_session(self._session))
            else:
                response.delete_cookie(SESSION, httponly=True, samesite="Lax", secure=self._secure)
        response.vary.add("Cookie")

    def _look(self) -> Somebody | None:
        said = self._session.get("_user_id")
        if isinstance(said, str) and (found := self._behind(said)):
            return found
        cookie = self._request.cookies.get(REMEMBER)
        if cookie is None:
            return None
        login = self._keys.read_remembered(cookie)
        found = self._behind(login) if login is not None else None
        if login is None or found is None:
            # A void cookie would be looked up again at every request.
            self._session.pop("_user_id", None)
            self._session.pop("_fresh", None)
            self._remember = "clear"
            return None
        self._session.update(_user_id=login, _fresh=False)
        return found

    def _behind(self, login: str) -> Somebody | None:
        """None ends the session: it is too old, the user is gone, or has logged out since the cookie was made."""
        said = _LOGIN.fullmatch(login)
        if said is None:
            return None
        account_id, epoch, since = map(int, said.groups())
        # A copied cookie knows no date on which the browser throws it away.
        if time.time() - since > LOGIN_DAYS.total_seconds():
            return None
        account = self._find(account_id)
        if account is None or account.session_epoch != epoch:
            return None
        return Somebody(account.id, ROLES[account.role], since)

    def _log_in(self, account: Account) -> None:
        login = f"{account.id}.{account.session_epoch}.{int(time.time())}"
        self._session.update(_user_id=login, _fresh=True, _id=_browser(self._request))

    def _set(self, response: Response, name: str, value: str, **options: Any) -> None:
        response.set_cookie(name, value, httponly=True, samesite="Lax", secure=self._secure, **options)


def _browser(request: Request) -> str:
    """What Flask-Login calls the identifier of a session; nobody is bound to it here."""
    address = request.headers.get("X-Forwarded-For", request.remote_addr)
    first = None if address is None else address.encode().split(b",")[0].strip()
    agent = request.headers.get("User-Agent")
    return hashlib.sha512(f"{first!r}|{None if agent is None else agent.encode()!r}".encode()).hexdigest()
