"""The cookies against the libraries whose cookies they are: Flask, Flask-Login, Flask-WTF; and keys that change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask, session
from flask.sessions import SecureCookieSessionInterface
from flask_login.utils import decode_cookie, encode_cookie
from flask_wtf.csrf import generate_csrf, validate_csrf
from wtforms.validators import ValidationError  # type: ignore[import-untyped]

from extracted.users.cookies import CookieKeys

OLD, NEW = "the old key", "the new key"
VALUES: list[dict[str, Any]] = [
    {"_user_id": "7.1.1700000000", "_fresh": True, "_id": "ab" * 64, "csrf_token": "c" * 40},
    {"role": "Müller", "at": datetime(2026, 1, 1, tzinfo=UTC), "both": (1, [b"x"])},
    {"long": "x" * 2000},
]


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config.update(SECRET_KEY=NEW, WTF_CSRF_TIME_LIMIT=None)
    return app


@pytest.mark.parametrize("values", VALUES)
def test_a_session_of_flask_is_read_and_one_of_ours_is_flasks(app: Flask, values: dict[str, Any]) -> None:
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    keys = CookieKeys(NEW)
    assert keys.read_session(serializer.dumps(values)) == values
    assert serializer.loads(keys.write_session(values)) == values


def test_a_remember_cookie_of_flask_login_is_read_and_one_of_ours_is_flask_logins(app: Flask) -> None:
    login, keys = "7.1.1700000000", CookieKeys(NEW)
    with app.app_context():
        assert keys.write_remembered(login) == encode_cookie(login)
        assert keys.read_remembered(encode_cookie(login)) == login
        assert decode_cookie(keys.write_remembered(login)) == login


def test_a_token_of_flask_wtf_is_good_and_one_of_ours_is_flask_wtfs(app: Flask) -> None:
    keys, ours = CookieKeys(NEW), {"csrf_token": "d" * 40}
    with app.test_request_context():
        token = generate_csrf()
        assert keys.is_csrf_token(token, dict(session))
        assert not keys.is_csrf_token(token, ours)
    with app.test_request_context():
        session.update(ours)
        validate_csrf(keys.csrf_token(ours))
        with pytest.raises(ValidationError):
            validate_csrf(keys.csrf_token({"csrf_token": "e" * 40}))


def test_the_first_token_of_a_session_stays_its_token() -> None:
    keys, values = CookieKeys(NEW), dict[str, Any]()
    token = keys.csrf_token(values)
    assert len(values["csrf_token"]) == 40
    assert keys.is_csrf_token(token, values)
    assert keys.is_csrf_token(keys.csrf_token(values), values)


def test_a_former_key_is_believed_and_never_used() -> None:
    before, after = CookieKeys(OLD), CookieKeys(NEW, [OLD])
    values = {"csrf_token": "f" * 40}
    assert after.read_session(before.write_session(values)) == values
    assert after.read_remembered(before.write_remembered("7.1.1")) == "7.1.1"
    assert after.is_csrf_token(before.csrf_token(values), values)
    assert before.read_session(after.write_session(values)) == {}
    assert before.read_remembered(after.write_remembered("7.1.1")) is None
    assert not before.is_csrf_token(after.csrf_token(values), values)


@pytest.mark.parametrize("cookie", ["", "x", "|", "7.1.1|", "7.1.1|é", "7.1.1|00", "a.b.c", "ImEi.ZZ.yy", "\x00"])
def test_what_is_not_ours_says_nothing(cookie: str) -> None:
    keys = CookieKeys(NEW)
    assert keys.read_session(cookie) == {}
    assert keys.read_remembered(cookie) is None
    assert not keys.is_csrf_token(cookie, {"csrf_token": "c"})
    assert not keys.is_csrf_token(keys.csrf_token({}), {})
