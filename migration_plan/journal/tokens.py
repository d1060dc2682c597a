"""Tokens in the journal's database: made, listed, revoked; each of it is journaled, no secret is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.journal.access import NAME, Role, mint
from migration_plan.journal.journal import Journal

SUBJECT = "fig"
"""What the journal's lines about tokens are about."""


class TokenRefused(FigError):
    """A token that cannot be meant, or that would lock everybody out."""

    code = "token-refused"
    exit_code = Exit.NOT_MEANT


@dataclass(frozen=True)
class Token:
    """What is known of a token; not the token."""

    name: str
    role: Role
    created_at: datetime
    created_by: str
    revoked_at: datetime | None

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name, "role": self.role, "created_at": self.created_at.isoformat(),
            "created_by": self.created_by, "revoked_at": self.revoked_at.isoformat() if self.revoked_at else None,
        }  # fmt: skip


def create(journal: Journal, name: str, role: Role) -> str:
    """Make a token; it can be seen this once."""
    if not NAME.fullmatch(name):
        raise TokenRefused(f'"{name}" is no name of a token', "letters a-z, digits and dashes, a letter first")
    if role is not Role.ADMIN and not _living_admins(journal):
        raise TokenRefused(
            "from the first token on nobody acts without one, so the first one is an admin's",
            f"fig token create {name} --role admin",
        )
    token, kept = mint(name)
    try:
        with journal.session() as connection:
            connection.execute(
                "insert into fig.token (name, role, hash, created_by) values (%s, %s, %s, %s)",
                [name, role, kept, journal.actor],
            )
    except psycopg.errors.UniqueViolation as error:
        raise TokenRefused(f'there is or was a token "{name}"', "choose another name: fig token list") from error
    journal.record(SUBJECT, "token-created", name=name, role=role)
    return token


def known(journal: Journal) -> list[Token]:
    """All, the oldest first."""
    with journal.session() as connection:
        found = connection.execute(
            "select name, role, created_at, created_by, revoked_at from fig.token order by created_at, name"
        ).fetchall()
    return [Token(**{**row, "role": Role(row["role"])}) for row in found]


def revoke(journal: Journal, name: str) -> None:
    """From the next command on it is no token any more."""
    if name in (admins := _living_admins(journal)) and len(admins) == 1:
        raise TokenRefused(f'"{name}" is the last admin\'s token', "make another one first: fig token create")
    with journal.session() as connection:
        done = connection.execute(
            "update fig.token set revoked_at = clock_timestamp() where name = %s and revoked_at is null returning 1",
            [name],
        ).fetchone()
    if done is None:
        raise TokenRefused(f'there is no token "{name}" to revoke', "fig token list")
    journal.record(SUBJECT, "token-revoked", name=name)


def _living_admins(journal: Journal) -> list[str]:
    return [one.name for one in known(journal) if one.role is Role.ADMIN and one.revoked_at is None]
