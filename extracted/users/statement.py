"""The signed statement of who asks, which the proxy puts into each request: Ed25519, valid for a minute."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from extracted.platform.errors import SettingWrong
from extracted.platform.settings import setting
from extracted.users.sessions import SAFE_METHODS, Visit

SECONDS = 60
AUDIENCE = "fig"
_NAME = "IDENTITY_PRIVATE_KEY_FILE"


def signing_key() -> Ed25519PrivateKey:
    path = Path(setting(_NAME))
    hint = "let it name a PEM file with the Ed25519 private key whose public half all sides know"
    if not path.is_file():
        raise SettingWrong(_NAME, f"there is no file {path}", hint)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError:
        raise SettingWrong(_NAME, f"{path} cannot be read as a private key", hint) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingWrong(_NAME, f"{path} holds another kind of key", hint)
    return key


def statement(visit: Visit, original_method: str, key: Ed25519PrivateKey) -> str | None:
    """None for the anonymous."""
    somebody = visit.somebody
    if somebody is None:
        return None
    now = int(time.time())
    claims = {
        "sub": str(somebody.id),
        "roles": list(somebody.roles),
        "csrf": original_method not in SAFE_METHODS and visit.has_csrf_token(),
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + SECONDS,
    }
    return jwt.encode(claims, key, algorithm="EdDSA")
