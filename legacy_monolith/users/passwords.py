"""Password hashes: scrypt, at a cost of tens of milliseconds."""

from __future__ import annotations

from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

# 16 MB and about 40 ms; stored in the hash, so that raising it later breaks no password.
METHOD = "scrypt:16384:8:1"


def hash_password(password: str) -> str:
    return generate_password_hash(password, method=METHOD)


def password_matches(stored: str | None, password: str) -> bool:
    """For an unknown user just as slow as for a known one."""
    matches = check_password_hash(stored or _of_nobody(), password)
    return matches and stored is not None


@cache
def _of_nobody() -> str:
    return hash_password("nobody has this password")
