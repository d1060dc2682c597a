"""The trace that a request or an event belongs to, as W3C trace context says: `traceparent`.

It comes with the request, goes along with calls and events, and stands in every line of the log. The shop begins no
trace of its own: who stands in front of it has done so, and what nobody asked for belongs to none.
"""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

HEADER = "traceparent"
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")

_current: ContextVar[tuple[str, str]] = ContextVar("trace", default=("", ""))


def begin(given: object) -> None:
    """From here on what is done belongs to this trace; to none, if it is no traceparent."""
    match = _FORM.fullmatch(given) if isinstance(given, str) else None
    _current.set((match[1], match[2]) if match else ("", ""))


def trace_id() -> str:
    """Empty outside of traces."""
    return _current.get()[0]


def onward() -> str:
    """The traceparent of what is begun now: the same trace, a step of its own. Empty outside of traces."""
    trace, flags = _current.get()
    return f"00-{trace}-{secrets.token_hex(8)}-{flags}" if trace else ""
