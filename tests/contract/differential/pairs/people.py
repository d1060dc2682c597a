"""The same people at both sides: with browsers at the monolith, and as the proxy presents them to a service."""

from __future__ import annotations

import time
from collections.abc import Mapping

from tests.integration.catalog.identities import Issuer
from tests.support.clients import Client

VISITOR = "visitor"
WITHOUT_TOKEN = "-without-token"
# A run at full size takes longer than a proxy's statement is good for.
LIFETIME_SECONDS = 24 * 3600


def with_browsers(url: str, logged_in: Mapping[str, Client], careless: str) -> dict[str, Client]:
    """With a visitor, and a second browser of `careless`, which sends no CSRF token."""
    without = Client(url, keep_alive=False, cookies=dict(logged_in[careless].cookies))
    return {**logged_in, VISITOR: Client(url, keep_alive=False), f"{careless}{WITHOUT_TOKEN}": without}


def identified(
    url: str, issuer: Issuer, ids: Mapping[str, int], roles: Mapping[str, str], careless: str
) -> dict[str, Client]:
    """The same ones."""

    def client(name: str, csrf: bool = True) -> Client:
        allowed = ["buyer", "seller"] if roles[name] == "seller" else ["buyer"]
        token = issuer.token(ids[name], roles=allowed, csrf=csrf, exp=int(time.time()) + LIFETIME_SECONDS)
        return Client(url, keep_alive=False, headers={"X-Identity": token})

    named = {name: client(name) for name in ids}
    return {**named, VISITOR: Client(url, keep_alive=False), f"{careless}{WITHOUT_TOKEN}": client(careless, csrf=False)}
