"""The trace that a request, a call or an event belongs to, as W3C trace context says: `traceparent`.

It comes with the request, goes along with calls and events, and stands in every line of the log. No trace begins here:
the proxy has begun one for every request, and what nobody asked for belongs to none. Who records no step of its own
(spans.py) hands on what was given, so that the steps of others still hang together.

The monolith and the services have the same file, and neither imports the other's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "traceparent"
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")

_current: ContextVar[str] = ContextVar("trace", default="")


def begin(given: object) -> None:
    """From here on what is done belongs to this trace; to none, if it is no traceparent."""
    match = _FORM.fullmatch(given) if isinstance(given, str) else None
    # Of a later version as much as this one knows.
    _current.set(f"00-{match[1]}-{match[2]}-{match[3]}" if match else "")


@contextmanager
def during(given: object) -> Iterator[None]:
    """Background work that goes on with what a request has begun; afterwards it belongs to no trace."""
    begin(given)
    try:
        yield
    finally:
        begin("")


def trace_id() -> str:
    """Empty outside of traces."""
    return _current.get()[3:35]


def onward() -> str:
    """The traceparent of what is begun now. Empty outside of traces."""
    return _current.get()
