"""The two cookies and the token, byte for byte as the monolith makes and reads them. No IO.

- `session`: Flask's signed cookie, a dictionary.
- `remember_token`: Flask-Login's, the login and a signature of it.
- the CSRF token: Flask-WTF's, the session's own random text, signed.

Whoever is logged in on one side is on the other, as long as both have the same keys.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Any

from flask.json.tag import TaggedJSONSerializer
from itsdangerous import BadData, URLSafeTimedSerializer

SESSION, REMEMBER = "session", "remember_token"
# How long Flask reads a session that nobody has written meanwhile.
SESSION_SECONDS = 31 * 86400
_CSRF = "csrf_token"


class CookieKeys:
    """The present secret key makes; former ones, newest first, are still believed."""

    def __init__(self, secret_key: str, former: Sequence[str] = ()) -> None:
        self._keys = (secret_key, *former)
        # These libraries want the present one last.
        ascending = list(reversed(self._keys))
        self._session = URLSafeTimedSerializer(
            ascending,
            salt="cookie-session",
            serializer=TaggedJSONSerializer(),
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha1},
        )
        self._csrf = URLSafeTimedSerializer(ascending, salt="wtf-csrf-token")

    def read_session(self, cookie: str) -> dict[str, Any]:
        """Nothing, if it is not ours or too old."""
        try:
            values = self._session.loads(cookie, max_age=SESSION_SECONDS)
        except BadData:
            return {}
        return values if isinstance(values, dict) else {}

    def write_session(self, values: dict[str, Any]) -> str:
        signed = self._session.dumps(values)
        return signed.decode() if isinstance(signed, bytes) else signed

    def read_remembered(self, cookie: str) -> str | None:
        """Whose login the cookie remembers; None if we did not make it."""
        login, separator, digest = cookie.rpartition("|")
        if not separator or not digest.isascii():
            return None
        good = any(hmac.compare_digest(_digest(login, key), digest) for key in self._keys)
        return login if good else None

    def write_remembered(self, login: str) -> str:
        return f"{login}|{_digest(login, self._keys[0])}"

    def csrf_token(self, session: dict[str, Any]) -> str:
        """The session's token, which it has from now on."""
        if not isinstance(session.get(_CSRF), str):
            session[_CSRF] = hashlib.sha1(os.urandom(64)).hexdigest()  # noqa: S324  As Flask-WTF draws it.
        signed = self._csrf.dumps(session[_CSRF])
        return signed.decode() if isinstance(signed, bytes) else signed

    def is_csrf_token(self, given: str, session: dict[str, Any]) -> bool:
        expected = session.get(_CSRF)
        if not given or not isinstance(expected, str):
            return False
        try:
            # As old as the session may be.
            said = self._csrf.loads(given)
        except BadData:
            return False
        return isinstance(said, str) and hmac.compare_digest(expected.encode(), said.encode())


def _digest(login: str, key: str) -> str:
    return hmac.new(key.encode(), login.encode(), hashlib.sha512).hexdigest()
