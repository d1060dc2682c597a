"""Shadow requests (`X-Fig-Shadow`): what a client has asked the monolith, asked here to compare the answers.

They must change nothing: the database refuses every write of theirs. `probe` only asks whether that is so.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from werkzeug.datastructures import Headers

HEADER = "X-Fig-Shadow"
READ_ONLY = "25006"
"""PostgreSQL's SQLSTATE for a write where only reading is allowed."""


@dataclass
class Shadow:
    """One shadow request, and whether it has tried to write."""

    has_written: bool = False


_current: ContextVar[Shadow | None] = ContextVar("shadow", default=None)


def begin(headers: Headers) -> None:
    """At the start of each request, in its own context."""
    _current.set(Shadow() if HEADER in headers else None)


def is_shadow() -> bool:
    return _current.get() is not None


def refuse() -> None:
    """Take note that it tried to write; its answer will say so."""
    if shadow := _current.get():
        shadow.has_written = True


def verdict() -> str:
    """What the answer to a shadow request says of it."""
    shadow = _current.get()
    return "refused" if shadow and shadow.has_written else "fenced"
