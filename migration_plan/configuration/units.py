"""Durations and amounts as a plan file writes them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: object) -> float:
    """'100ms', '2s', '1h', '7d' -> seconds."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a number and a unit, such as 100ms, 2s, 1h or 7d")
    return float(match[1]) * _UNITS[match[2]]


def said(duration: float) -> str:
    """'7 d', '90 min', '41 s': exactly where a unit divides it, else rounded to ten of its unit at least."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if (duration and duration % unit == 0) or duration >= 10 * unit:
            return f"{duration / unit:.0f} {name}"
    return f"{duration:.3g} s" if duration < 10 else f"{duration:.0f} s"


_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*(MB|GB)")


def byte_count(value: object) -> int:
    """'512MB', '4GB' -> bytes, as PostgreSQL counts them."""
    match = _BYTES.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("an amount is a number and a unit, such as 512MB or 4GB")
    return int(float(match[1]) * 1024 ** (2 if match[2] == "MB" else 3))


Duration = Annotated[float, BeforeValidator(seconds)]
Bytes = Annotated[int, BeforeValidator(byte_count)]
