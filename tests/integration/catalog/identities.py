"""Keys and signed identities, as the owner of users makes them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


@dataclass(frozen=True)
class Issuer:
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @classmethod
    def of(cls, private_pem: bytes) -> Issuer:
        key = load_pem_private_key(private_pem, None)
        assert isinstance(key, Ed25519PrivateKey)
        return cls(key)

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def private_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write_to(self, folder: Path) -> tuple[Path, Path]:
        """The files with the private and the public key."""
        private, public = folder / "identity.key", folder / "identity.pub"
        private.write_bytes(self.private_pem)
        public.write_bytes(self.public_pem)
        return private, public

    def claims(self, user_id: int, **other: Any) -> dict[str, Any]:
        now = int(time.time())
        usual = {"roles": ["buyer", "seller"], "csrf": True, "aud": "fig", "iat": now, "exp": now + 600}
        return {"sub": str(user_id), **usual, **other}

    def token(self, user_id: int, **other: Any) -> str:
        return jwt.encode(self.claims(user_id, **other), self.key, algorithm="EdDSA")
