"""Work that computes for long: in a thread of the system, so that the process goes on serving others meanwhile.

It helps only where Python's lock is let go of (hashing, compression). Nothing that waits for a socket belongs here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventlet import tpool


def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` returns or raises."""
    return tpool.execute(function, *arguments)
