"""How figures are written on pages: units, ages, kinds of journal lines. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from migration_plan.lifecycle import Stage

MEANINGS: dict[Stage, str] = {
    Stage.MONOLITH: "the monolith alone",
    Stage.SYNC: "rows are copied to the service",
    Stage.SHADOW: "answers are compared, unseen",
    Stage.CANARY: "some users read from the service",
    Stage.SERVICE: "the service owns",
    Stage.RETIRED: "the old path is gone",
}

_BAD = {"aborted", "alarm", "forced", "verification-failed"}
_GOOD = {"done", "recovered", "granted", "stream-returned"}


def seconds(value: float | None) -> str:
    """0.0421 -> '42 ms', 75 -> '1 min 15 s', None -> '–'."""
    if value is None:
        return "–"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    if value < 3600:
        return f"{value // 60:.0f} min {value % 60:.0f} s"
    return f"{value // 3600:.0f} h {value % 3600 // 60:.0f} min" if value < 172_800 else f"{value // 86_400:.0f} days"


def size(value: float | None) -> str:
    """2048 -> '2.0 KiB', None -> '–'."""
    if value is None:
        return "–"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError


def percent(value: float | None) -> str:
    """0.125 -> '12.5 %', None -> '–'."""
    return "–" if value is None else f"{value * 100:.3g} %"


def rate(value: float | None) -> str:
    """3.26 -> '3.3/s', 0.0 -> '0/s'."""
    if value is None:
        return "–"
    return f"{value:.1f}/s" if 0.05 <= value < 10 else f"{value:.0f}/s"


def ago(value: float) -> str:
    """95 -> '1 min ago': as coarse as it is read in a list."""
    for least, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if value >= least:
            return f"{value // least:.0f} {unit} ago"
    return "just now"


def moment(value: datetime) -> str:
    """For people, to the second."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def meaning(stage: Stage) -> str:
    return MEANINGS[stage]


def tone(kind: str) -> str:
    """How a journal's line is to be taken: 'good', 'bad', or 'plain'."""
    return "bad" if kind in _BAD else "good" if kind in _GOOD else "plain"


def brief(detail: Mapping[str, Any]) -> str:
    """What a journal's line says beside its kind; long values are cut, nested ones are only named."""
    said = []
    for key, value in detail.items():
        if isinstance(value, dict | list):
            said.append(f"{key} ({len(value)})" if value else "")
        elif value not in (None, ""):
            said.append(f"{key}={str(value)[:160]}")
    return "  ".join(one for one in said if one)


FILTERS: dict[str, Callable[..., str]] = {
    "seconds": seconds, "size": size, "percent": percent, "rate": rate, "ago": ago, "moment": moment,
    "meaning": meaning, "tone": tone, "brief": brief,
}  # fmt: skip
