"""A watch over a reader of untrusted bytes: no crash, no hang, one named error that says where."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable, Iterable

from cdc.errors import CdcError

HANGS_AFTER = 20.0
"""Seconds for a thousand inputs; the process then says where it was, and ends."""
BETWEEN_LOOKS = 1000


def refused(read: Callable[[bytes], object], inputs: Iterable[bytes], error: type[CdcError]) -> tuple[int, int]:
    """(read, refused). What raises anything but `error` with its position is shown, byte by byte."""
    good = bad = 0
    try:
        for number, data in enumerate(inputs):
            if number % BETWEEN_LOOKS == 0:
                faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
            try:
                read(data)
                good += 1
            except error as said:
                bad += _says_where(said, data)
            except Exception as other:
                raise AssertionError(f"input {number} raises {type(other).__name__}: {data!r}") from other
    finally:
        faulthandler.cancel_dump_traceback_later()
    return good, bad


def _says_where(said: CdcError, data: bytes) -> bool:
    at = getattr(said, "at", None)
    assert isinstance(at, int), f"refused without a position: {data!r}"
    assert 0 <= at <= len(data), f"refused at {at}, which is outside: {data!r}"
    assert f"at byte {at}" in said.message
    return True
