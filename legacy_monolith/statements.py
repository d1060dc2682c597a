"""The signed statement of who asks: made here while the users are here, read here while they are elsewhere.

The proxy asks whoever owns the users, puts the statement into X-Identity of every request of a logged-in user, and
lets nobody else's through.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from flask import Flask, current_app
from flask_login import UserMixin

from legacy_monolith.errors import NotAuthenticated, SettingsMissing

AUDIENCE = "fig"
SECONDS = 60
_KEY_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\s*", re.DOTALL)


class Stated(UserMixin):
    """Somebody whom the owner of the users knows."""

    def __init__(self, user_id: int, roles: tuple[str, ...], csrf: bool) -> None:
        self.id = user_id
        self.roles = roles
        # Whether the request showed the token of its session.
        self.csrf = csrf


def state(user_id: int, roles: tuple[str, ...], csrf: bool) -> str:
    now = int(time.time())
    claims = {
        "sub": str(user_id),
        "roles": list(roles),
        "csrf": csrf,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + SECONDS,
    }
    return jwt.encode(claims, current_app.extensions["identity_private_key"], algorithm="EdDSA")


def read(statement: str) -> Stated:
    """Several keys are believed, so that they can be rotated."""
    keys: list[Ed25519PublicKey] = current_app.extensions["identity_public_keys"]
    for key in keys:
        try:
            claims = jwt.decode(
                statement, key, algorithms=["EdDSA"], audience=AUDIENCE, options={"require": ["sub", "aud", "exp"]}
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidTokenError:
            raise _not_good() from None
        subject, roles = str(claims["sub"]), claims.get("roles")
        if not re.fullmatch(r"[1-9][0-9]{0,17}", subject) or not isinstance(roles, list):
            raise _not_good()
        return Stated(int(subject), tuple(map(str, roles)), claims.get("csrf") is True)
    raise _not_good()


def init_app(app: Flask) -> None:
    private = load_pem_private_key(Path(app.config["IDENTITY_PRIVATE_KEY_FILE"]).read_bytes(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise SettingsMissing(["IDENTITY_PRIVATE_KEY_FILE (an Ed25519 key)"])
    app.extensions["identity_private_key"] = private
    app.extensions["identity_public_keys"] = _public_keys(app.config["IDENTITY_PUBLIC_KEY_FILE"]) or [
        private.public_key()
    ]


def _public_keys(file: str) -> list[Ed25519PublicKey]:
    """Without a file, what is signed here is believed here."""
    if not file:
        return []
    keys = [load_pem_public_key(block) for block in _KEY_BLOCK.findall(Path(file).read_bytes())]
    good = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not good or len(good) != len(keys):
        raise SettingsMissing(["IDENTITY_PUBLIC_KEY_FILE (Ed25519 public keys)"])
    return good


def _not_good() -> NotAuthenticated:
    return NotAuthenticated("The identity of this request is forged, expired or not meant for here.")
