"""Dates and times between PostgreSQL's text (ISO, UTC) and what Debezium counts. Pure.

Both reckon by the Gregorian calendar back to any year, so that days can be counted for years that Python's own dates
do not have. What does not fit 64 bits of microseconds is no number: then None.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000
INFINITY, MINUS_INFINITY = 9223372036825200000, -9223372036832400000
"""What Debezium counts for PostgreSQL's infinite timestamps, in microseconds; in milliseconds it is the same number."""

ZEROS_BY_LENGTH = {22: b".000000", **{23 + digits: b"0" * (6 - digits) for digits in range(1, 7)}}
"""What a fraction of a second lacks, by the length of `2026-01-31 12:00:00.5+00`."""

_ANY = re.compile(r"(\d{4,})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?(?:\+00)?( BC)?")
_ZONED = re.compile(r"([+-]?\d{4,})-(\d\d)-(\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d(?::?\d\d)?)")
usual_text = re.compile(rb"((?!0000)\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d\.\d{6})Z").fullmatch
"""Nearly all timestamps with a time zone, as JSON has them."""
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?")


def days(text: str) -> int | None:
    """`2026-01-31` as days since 1970."""
    if text.endswith("infinity"):
        return None
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH_DAY
    except ValueError:
        return _reckoned(text)[0]


def microseconds(text: str) -> int | None:
    """`2026-01-31 12:00:00.5` as microseconds since 1970."""
    if text.endswith("infinity"):
        return INFINITY if text[0] != "-" else MINUS_INFINITY
    try:
        counted = (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError:
        day, time = _reckoned(text)
        counted = day * _DAY + time
    return counted if MINUS_INFINITY < counted < INFINITY else None


def clock(text: str) -> int:
    """`12:00:00.5` as microseconds since midnight; 24:00:00 is one of them."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError("no time of day")
    hours, minutes, seconds, fraction = found.groups()
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000_000 + _fraction(fraction)


def zoned(text: str) -> str:
    """`2026-01-31 12:00:00.5+00` as `2026-01-31T12:00:00.500000Z`."""
    if text.endswith("infinity"):
        return text
    found = _ANY.fullmatch(text)
    if found is None or found[4] is None:
        raise ValueError("no timestamp")
    year, fraction = int(found[1]), f".{found[7].ljust(6, '0')}" if found[7] else ".000000"
    shown = f"{1 - year:05d}" if found[8] else f"+{year}" if year > 9999 else found[1]
    if found[8] and year == 1:
        shown = "0000"
    return f"{shown}-{found[2]}-{found[3]}T{found[4]}:{found[5]}:{found[6]}{fraction}Z"


def date_text(count: int) -> str:
    """Days since 1970 as PostgreSQL writes a date."""
    try:
        return date.fromordinal(count + _EPOCH_DAY).isoformat()
    except (ValueError, OverflowError):
        year, rest = _civil(count)
        return rest if year is None else f"{year}-{rest}"


def timestamp_text(count: int) -> str:
    """Microseconds since 1970 as PostgreSQL reads a timestamp."""
    if count >= INFINITY:
        return "infinity"
    if count <= MINUS_INFINITY:
        return "-infinity"
    try:
        return (_EPOCH + timedelta(microseconds=count)).isoformat(" ")
    except OverflowError:
        day, time = divmod(count, _DAY)
        shown = date_text(day)
        era = " BC" if shown.endswith(" BC") else ""
        return f"{shown.removesuffix(' BC')} {clock_text(time)}{era}"


def clock_text(count: int) -> str:
    """Microseconds since midnight as PostgreSQL reads a time."""
    if not 0 <= count <= _DAY:
        raise ValueError("no time of day")
    seconds, fraction = divmod(count, 1_000_000)
    minutes, second = divmod(seconds, 60)
    shown = f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}"
    return f"{shown}.{fraction:06d}" if fraction else shown


def zoned_text(said: str) -> str:
    """An ISO timestamp with its zone as PostgreSQL reads it: it has no years before 1, and no plus before them."""
    if said.endswith("infinity"):
        return said
    found = _ZONED.fullmatch(said)
    if found is None:
        raise ValueError("no timestamp with a time zone")
    year = int(found[1])
    shown, era = (f"{1 - year:04d}", " BC") if year < 1 else (f"{year:04d}", "")
    zone = "+00" if found[5] == "Z" else found[5]
    return f"{shown}-{found[2]}-{found[3]} {found[4]}{zone}{era}"


def _fraction(digits: str | None) -> int:
    return int(digits.ljust(6, "0")) if digits else 0


def _reckoned(text: str) -> tuple[int, int]:
    """(days since 1970, microseconds of the day)"""
    found = _ANY.fullmatch(text)
    if found is None:
        raise ValueError("no date")
    year = 1 - int(found[1]) if found[8] else int(found[1])
    time = 0
    if found[4] is not None:
        time = ((int(found[4]) * 60 + int(found[5])) * 60 + int(found[6])) * 1_000_000 + _fraction(found[7])
    return _days_of(year, int(found[2]), int(found[3])), time


def _days_of(year: int, month: int, day: int) -> int:
    """Days since 1970, by eras of 400 years that begin in March."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def _civil(count: int) -> tuple[int | None, str]:
    """(year, month and day); for years before 1 the whole date with its era and no year."""
    if abs(count) > 4_000_000_000:
        raise ValueError("no date")
    era, of_era = divmod(count + 719468, 146097)
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    place = (5 * of_year + 2) // 153
    day, month = of_year - (153 * place + 2) // 5 + 1, place + 3 if place < 10 else place - 9
    year += era * 400 + (month <= 2)
    if year < 1:
        return None, f"{1 - year:04d}-{month:02d}-{day:02d} BC"
    return year, f"{month:02d}-{day:02d}"
