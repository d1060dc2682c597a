"""Password hashes: scrypt, at a cost of tens of milliseconds, which would be everybody's if it were not elsewhere.

scrypt lets go of Python while it computes, so a thread of its own leaves the process free for other requests.
"""

from __future__ import annotations

from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

from extracted.platform.offload import in_thread

# 16 MB and about 40 ms; stored in the hash, so that raising it breaks no password: each is hashed anew at its next use.
METHOD = "scrypt:16384:8:1"


def hash_password(password: str) -> str:
    hashed: str = in_thread(generate_password_hash, password, METHOD)
    return hashed


def password_matches(stored: str | None, password: str) -> bool:
    """For an unknown user just as slow as for a known one."""
    matches: bool = in_thread(check_password_hash, stored or _of_nobody(), password)
    return matches and stored is not None


def is_current(stored: str) -> bool:
    """Whether the hash was made as hashes are made today."""
    return stored.partition("$")[0] == METHOD


@cache
def _of_nobody() -> str:
    return hash_password("nobody has this password")
