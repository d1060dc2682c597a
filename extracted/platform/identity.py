"""Who asks: the signed identity that the proxy puts into X-Identity (Ed25519, short-lived).

Only the public key is here; the same token comes with every request of a user for some seconds, so a
signature that was found good is remembered until the token expires.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from extracted.platform.errors import SettingWrong
from extracted.platform.problems import CsrfTokenInvalid, NotAuthenticated, RoleRequired
from extracted.platform.settings import setting

AUDIENCE = "fig"
REMEMBERED = 4096
_KEY_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\s*", re.DOTALL)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Identity:
    user_id: int
    roles: frozenset[str]
    csrf: bool


class IdentityCheck:
    """Turns tokens into identities. Several keys are accepted, so that keys can be rotated."""

    def __init__(self, keys: list[Ed25519PublicKey]) -> None:
        self._keys = keys
        self._known: dict[str, tuple[float, Identity]] = {}

    @classmethod
    def from_environment(cls) -> IdentityCheck:
        name = "IDENTITY_PUBLIC_KEY_FILE"
        path = Path(setting(name))
        hint = "let it name a PEM file with the Ed25519 public key of the owner of users"
        if not path.is_file():
            raise SettingWrong(name, f"there is no file {path}", hint)
        keys = [load_pem_public_key(block) for block in _KEY_BLOCK.findall(path.read_bytes())]
        good = [key for key in keys if isinstance(key, Ed25519PublicKey)]
        if not good or len(good) != len(keys):
            raise SettingWrong(name, f"{path} holds something else than Ed25519 public keys", hint)
        return cls(good)

    def identity(self, token: str) -> Identity | None:
        """None for an anonymous request; raises NotAuthenticated for a token that is not good."""
        if not token:
            return None
        known = self._known.get(token)
        if known and known[0] > time.time():
            return known[1]
        self._known.pop(token, None)
        expires, identity = self._verify(token)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[token] = (expires, identity)
        return identity

    def _verify(self, token: str) -> tuple[float, Identity]:
        for key in self._keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=["EdDSA"],
                    audience=AUDIENCE,
                    options={"require": ["sub", "aud", "exp"]},
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError:
                raise _not_good() from None
            return float(claims["exp"]), _identity(claims)
        raise _not_good()


def _identity(claims: dict[str, object]) -> Identity:
    subject, roles = str(claims["sub"]), claims.get("roles", [])
    if not subject.isascii() or not subject.isdigit() or not isinstance(roles, list):
        raise _not_good()
    return Identity(int(subject), frozenset(str(role) for role in roles), claims.get("csrf") is True)


def _not_good() -> NotAuthenticated:
    return NotAuthenticated("The identity of this request is forged, expired or not meant for here.")


def require(identity: Identity | None, method: str, role: str = "") -> Identity:
    """The identity, if it may use this method, in this role if one is named."""
    if identity is None:
        raise NotAuthenticated("This needs a logged-in user.")
    if method not in _SAFE_METHODS and not identity.csrf:
        raise CsrfTokenInvalid("An unsafe request of a logged-in user needs a valid X-CSRF-Token.")
    if role and role not in identity.roles:
        raise RoleRequired(f"This needs the role {role}.")
    return identity
