"""Messages of pgoutput by the fastest means that this machine has: in C where it was compiled, else in Python. Pure.

Both give the same, tests see to that; the compiled one leaves to `cdc.pgoutput` whatever is rare or malformed.
"""

from __future__ import annotations

from cdc import pgoutput
from cdc.messages import UNCHANGED, Begin, Commit, Delete, Insert, Message, OldRow, Update

try:
    from cdc import _tuples
except ImportError:  # No compiler where this was installed.
    IS_COMPILED = False

    def decode(data: bytes | memoryview, at: int = 0) -> Message:
        """As `pgoutput.decode`, of what begins at byte `at`."""
        return pgoutput.decode(bytes(data[at:]))
else:
    IS_COMPILED = True
    _tuples.set_up(Insert, Update, Delete, Begin, Commit, UNCHANGED, OldRow.ABSENT, OldRow.KEY, OldRow.FULL)
    _read = _tuples.read

    def decode(data: bytes | memoryview, at: int = 0) -> Message:
        """As `pgoutput.decode`, of what begins at byte `at`."""
        return _read(data, at) or pgoutput.decode(bytes(data[at:]))


def means() -> str:
    """Which of both it is, for people."""
    return "compiled" if IS_COMPILED else "Python (no compiler when it was installed; everything works, slower)"
