"""A watch over a reader of untrusted bytes: no crash, no hang, a named error that says where."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable, Iterable

from cdc.errors import CdcError

HANGS_AFTER = 20.0
"""Seconds for a thousand inputs; the process then says where it was, and ends."""
BETWEEN_LOOKS = 1000


def refused(
    read: Callable[[bytes], object],
    inputs: Iterable[bytes],
    says_where: Callable[[CdcError, bytes], bool],
    stderr: int,
) -> tuple[int, int]:
    """(read, refused). An error of ours has to say where; any other one is shown with its input. `stderr`: the file
    descriptor to which a hang is told; what pytest has captured ends with the process."""
    good = bad = 0
    try:
        for number, data in enumerate(inputs):
            if number % BETWEEN_LOOKS == 0:
                faulthandler.dump_traceback_later(HANGS_AFTER, exit=True, file=stderr)
            try:
                read(data)
                good += 1
            except CdcError as said:
                bad += 1
                if not says_where(said, data):
                    raise AssertionError(f"input {number} is refused without a place ({said}): {data!r}") from said
            except Exception as other:
                raise AssertionError(f"input {number} raises {type(other).__name__}: {data!r}") from other
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert good > (good + bad) / 100, "hardly anything is read: the inputs are too far from real ones"
    assert bad > (good + bad) / 4, "hardly anything is refused: the inputs are too close to real ones"
    return good, bad
