"""What the service is told by its environment, read once when it starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from extracted.platform.errors import SettingWrong
from extracted.platform.settings import setting
from extracted.users import carrier
from extracted.users.addresses import Network, networks
from extracted.users.cookies import CookieKeys
from extracted.users.messages import Messages
from extracted.users.statement import signing_key


@dataclass(frozen=True)
class Configuration:
    secret_key: str
    former_keys: tuple[str, ...]
    signing_key: Ed25519PrivateKey
    secure_cookies: bool
    trusted_proxies: tuple[Network, ...]
    messages: Messages | None

    @cached_property
    def cookie_keys(self) -> CookieKeys:
        return CookieKeys(self.secret_key, self.former_keys)

    @classmethod
    def from_environment(cls) -> Configuration:
        return cls(
            secret_key=setting("SECRET_KEY"),
            # Newest first; they are still believed, and never used to sign.
            former_keys=tuple(os.environ.get("SECRET_KEY_FALLBACKS", "").split()),
            signing_key=signing_key(),
            secure_cookies=os.environ.get("SESSION_COOKIE_SECURE", "") == "1",
            trusted_proxies=_trusted_proxies(),
            messages=carrier.from_environment(),
        )

    def close(self) -> None:
        if self.messages:
            self.messages.close()


def _trusted_proxies() -> tuple[Network, ...]:
    """Whose X-Real-IP is believed."""
    name = "TRUSTED_PROXIES"
    try:
        return networks(os.environ.get(name, "127.0.0.0/8, ::1"))
    except ValueError as error:
        raise SettingWrong(name, str(error), "write addresses and networks with commas between them") from None
