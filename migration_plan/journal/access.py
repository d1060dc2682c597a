"""Who may do what: roles, what each command needs, and the test of a token. No IO but that of `identify`."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg

from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit

VARIABLE = "FIG_TOKEN"
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_TOKEN = re.compile(rf"fig_({NAME.pattern})_([A-Za-z0-9_-]{{43}})")
_NOBODY = bytes(32)


class Role(StrEnum):
    """What a token allows; each role allows what the ones before it do."""

    VIEWER = "viewer"  # Looks.
    OPERATOR = "operator"  # Moves domains on and back, resumes, steers streams, verifies.
    ADMIN = "admin"  # What cannot be taken back or passes a gate: force, retire, eject, tokens.

    def allows(self, needed: Role) -> bool:
        """Whether whoever has this role may do what needs that one."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


NEEDS: dict[str, Role] = {
    "advance": Role.OPERATOR,
    "canary": Role.VIEWER,  # And the role operator for whoever changes something.
    "console link": Role.VIEWER,
    "contract": Role.OPERATOR,
    "dead-letters list": Role.VIEWER,
    "dead-letters replay": Role.OPERATOR,
    "dead-letters show": Role.OPERATOR,
    "doctor": Role.VIEWER,
    "eject": Role.ADMIN,
    "history": Role.VIEWER,
    "journal admit": Role.ADMIN,
    "outbox prepare": Role.OPERATOR,
    "outbox skip": Role.OPERATOR,
    "plan check": Role.VIEWER,
    "plan show": Role.VIEWER,
    "proxies reload": Role.OPERATOR,
    "rehearse": Role.OPERATOR,
    "resume": Role.OPERATOR,
    "rollback": Role.OPERATOR,
    "shadow report": Role.VIEWER,
    "shadow reset": Role.OPERATOR,
    "sync accept": Role.OPERATOR,
    "sync repair": Role.OPERATOR,
    "sync skip": Role.OPERATOR,
    "sync snapshot": Role.OPERATOR,
    "sync start": Role.OPERATOR,
    "sync status": Role.VIEWER,
    "sync stop": Role.OPERATOR,
    "sync verify": Role.OPERATOR,
    "token create": Role.ADMIN,
    "token list": Role.VIEWER,
    "token revoke": Role.ADMIN,
    "verify": Role.OPERATOR,
}
"""Of every command that opens the journal. `--force`, and advancing to `retired`, need an admin besides."""

OPEN = frozenset(
    {"console run", "controller", "down", "help exit-codes", "help life", "logs", "shadow run", "status", "stop",
     "streams", "up"}
)  # fmt: skip
"""Commands of the local stack, daemons, and printed tables: they ask for no token."""


class Forbidden(FigError):
    """There is no such token, or its role does not allow this; nothing was changed."""

    code = "forbidden"
    exit_code = Exit.FORBIDDEN


@dataclass(frozen=True)
class Access:
    """Whoever acts. `name`: the token's, or empty where the OS user acts without one."""

    name: str
    role: Role

    def demand(self, needed: Role, what: str) -> None:
        """Forbidden unless the role allows it."""
        if not self.role.allows(needed):
            raise Forbidden(
                f'{what} needs the role {needed}; token "{self.name}" has the role {self.role}',
                f"set {VARIABLE} to a token of that role",
            )


def mint(name: str) -> tuple[str, bytes]:
    """A new token, and the hash that is kept of it."""
    secret = secrets.token_urlsafe(32)
    return f"fig_{name}_{secret}", _hash(secret)


def _hash(secret: str) -> bytes:
    # A token has 256 bits that nobody chose, so one round of a fast hash is as good as many.
    return hashlib.sha256(secret.encode()).digest()


def identify(connection: psycopg.Connection[dict[str, Any]], environment: Mapping[str, str]) -> Access | None:
    """Who the environment's token is. None: there are tokens and none is given. Forbidden: it is none of them."""
    token = environment.get(VARIABLE, "")
    if not token:
        return still(connection, "")
    match = _TOKEN.fullmatch(token)
    name, secret = (match[1], match[2]) if match else ("", "")
    row = connection.execute(
        "select role, hash from fig.token where name = %s and revoked_at is null", [name]
    ).fetchone()
    known = hmac.compare_digest(_hash(secret), bytes(row["hash"]) if row else _NOBODY)
    if row is None or not known:
        raise Forbidden(f"{VARIABLE} is no token of this journal, or a revoked one", "fig token list, by an admin")
    return Access(name, Role(row["role"]))


def still(connection: psycopg.Connection[dict[str, Any]], name: str) -> Access | None:
    """What somebody may do now who was identified before, by a token of that name, or by none. None: nothing more."""
    if name:
        query = "select role from fig.token where name = %s and revoked_at is null"
        row = connection.execute(query, [name]).fetchone()
        return Access(name, Role(row["role"])) if row else None
    found = connection.execute("select exists (select from fig.token) as some").fetchone()
    # While nobody has made a token, whoever reaches the journal's database may do everything there anyway.
    return None if found and found["some"] else Access("", Role.ADMIN)
