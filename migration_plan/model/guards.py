"""The guards of the protocol, and the bounds within which taking one away is found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Bounds = Mapping[str, int]  # Of the environment, without its FIG_.

# Everything at the bounds at which no promise may break: controllers with and without proxies, lost rows, requests, and
# sides that come back in an older state.
SEARCHES: dict[str, Bounds] = {
    "requests-without-faults": {"CONTROLLERS": 1, "STARTS": 2, "PROXIES": 2, "CLIENTS": 2},
    "two-controllers": {"CONTROLLERS": 2, "STARTS": 1, "WRITES": 1, "PROXIES": 1, "FAULTS": 1},
    "rows-lost-and-copied": {"CONTROLLERS": 1, "STARTS": 2, "WRITES": 1, "COPIES": 1, "LOSSES": 1, "FAULTS": 1},
    "copied-the-wrong-way": {"CONTROLLERS": 1, "STARTS": 1, "WRITES": 2, "COPIES": 1, "COPY_BACK": 1, "FAULTS": 1},
    "requests-with-faults": {"CONTROLLERS": 1, "STARTS": 1, "PROXIES": 1, "CLIENTS": 1, "FAULTS": 1},
    "restored": {"CONTROLLERS": 1, "STARTS": 1, "WRITES": 1, "RESTORES": 1, "PERSONS": 1, "FAULTS": 1},
}
FULL: dict[str, Bounds] = {
    "forth-and-back": {"CONTROLLERS": 2, "STARTS": 2, "WRITES": 1, "FAULTS": 1},
    "forth-and-back-losing-rows": {"CONTROLLERS": 2, "STARTS": 2, "WRITES": 1, "LOSSES": 1, "FAULTS": 1},
    "forth-and-back-unreadable": {"CONTROLLERS": 2, "STARTS": 2, "WRITES": 1, "AWAY": 1, "FAULTS": 1},
    "forth-and-back-with-a-proxy": {"CONTROLLERS": 2, "STARTS": 2, "WRITES": 1, "PROXIES": 1, "FAULTS": 1},
    "forth-and-back-copied-the-wrong-way": {
        "CONTROLLERS": 1, "STARTS": 2, "WRITES": 2, "COPIES": 1, "COPY_BACK": 1, "LOSSES": 1, "FAULTS": 1,
    },
    "two-requests": {"CONTROLLERS": 1, "STARTS": 1, "PROXIES": 1, "CLIENTS": 2, "FAULTS": 1},
    "restored-forth-and-back": {
        "CONTROLLERS": 1, "STARTS": 2, "WRITES": 1, "RESTORES": 1, "PERSONS": 1, "FAULTS": 1,
    },
    "restored-unreadable": {
        "CONTROLLERS": 1, "STARTS": 1, "WRITES": 1, "RESTORES": 1, "PERSONS": 1, "AWAY": 1, "FAULTS": 1,
    },
    "restored-and-two-persons": {
        "CONTROLLERS": 2, "STARTS": 1, "RESTORES": 1, "PERSONS": 2, "FAULTS": 1,
    },
    "restored-over-the-budget": {
        "CONTROLLERS": 1, "STARTS": 1, "WRITES": 1, "RESTORES": 1, "BUDGET": 1, "FAULTS": 1,
    },
}  # fmt: skip

_TWO = {"CONTROLLERS": 2, "STARTS": 2, "WRITES": 1, "FAULTS": 1}
_PROXY = {"CONTROLLERS": 2, "STARTS": 2, "PROXIES": 1, "FAULTS": 1}
_LOSING = {"CONTROLLERS": 1, "STARTS": 1, "WRITES": 1, "LOSSES": 1, "FAULTS": 1}
# COPY_BACK: copies that were asked for in the wrong direction, which only the guard keeps out.
_COPY = {"CONTROLLERS": 1, "STARTS": 1, "WRITES": 2, "COPIES": 1, "FAULTS": 1}
_BACK = _COPY | {"COPY_BACK": 1}
_CALM = {"CONTROLLERS": 1, "STARTS": 1, "PROXIES": 1, "CLIENTS": 1}
_RESTORED = {"CONTROLLERS": 1, "STARTS": 1, "WRITES": 1, "RESTORES": 1, "PERSONS": 1, "FAULTS": 1}
_RESTORED_BACK = _RESTORED | {"STARTS": 2, "WRITES": 0}
_PERSONS = {"CONTROLLERS": 2, "STARTS": 1, "RESTORES": 1, "PERSONS": 2, "FAULTS": 1}


@dataclass(frozen=True)
class Guard:
    """One guard: its number in the model, where the code has it ("file: name"), and the bounds that show its use."""

    number: int
    where: str
    what: str
    bounds: Bounds


GUARDS: dict[str, Guard] = {
    "FENCE_EPOCH": Guard(1, "side.sql: fence", "compares the epoch", _TWO),
    "UNFENCE_EPOCH": Guard(2, "side.sql: unfence", "compares the epoch", _TWO),
    "UNFENCE_STATE": Guard(3, "side.sql: unfence", "takes nothing back that is released", _TWO),
    "RELEASE_EPOCH": Guard(4, "side.sql: release", "compares the epoch", _TWO),
    "GRANT_EPOCH": Guard(5, "side.sql: grant_ownership", "wants a lower epoch than its own", _TWO),
    "GRANT_MARKER": Guard(6, "side.sql: grant_ownership", "wants the marker applied", _LOSING),
    "VOID_EPOCH": Guard(7, "side.sql: void", "compares the epoch", _TWO),
    "STAND_BY_EPOCH": Guard(8, "side.sql: stand_by", "compares state and epoch", _TWO),
    "STOP_EPOCH": Guard(9, "side.sql: stop", "compares state and epoch", _TWO),
    "STOP_LOWER": Guard(10, "recovery.py: decide", "of two owners the lower epoch is the past", _TWO),
    "APPLY": Guard(11, "side.sql: guard_apply", "no rows of ours on an owner, none of an old epoch", _BACK),
    "APPLY_POSITION": Guard(12, "refill.py: _require_standing", "a copy goes in only where it was read", _COPY),
    "ROUTE_EPOCH": Guard(13, "admin.js: routes", "refuses a lower epoch", _PROXY),
    "HOLD_EPOCH": Guard(14, "admin.js: hold", "refuses another epoch", _PROXY),
    "LEASE_TOKEN": Guard(15, "journal.py: renew", "compares holder and token", _TWO),
    "OWN_OUTCOME": Guard(16, "journal.py: open_intent", "an outcome closes its own intent only", _PROXY),
    "ABORT_LOOKS": Guard(17, "switch.py: _released", "looks whether it was released before it says aborted", _TWO),
    "BOUNCE_DONE": Guard(18, "middleware: _refusal", "421 only if nothing was committed", _CALM | {"FAULTS": 1}),
    "HOLD_FIRST": Guard(19, "switch.py: _hold_and_fence", "holds before it fences", _CALM),
    "REQUESTS_FIRST": Guard(20, "switch.py: _wait_for_requests", "waits for what is in flight", _CALM),
    "COUNT_FIRST": Guard(21, "entry.js: admit", "counts first, looks at the route second", _CALM),
    "INTENT_FIRST": Guard(22, "diagnosis.py: read_and_decide", "reads the intent before the rows", _PROXY),
    "COPY_STANDS": Guard(23, "streams.py: _copy_guard", "a copy wants the epoch of a side that stands by", _BACK),
    "COPY_FIRST": Guard(24, "snapshot_worker.py: guard_of", "takes that epoch before the source is read", _BACK),
    "PAST": Guard(25, "recovery.py: _past", "an owner that others have outlived is not at rest", _RESTORED_BACK),
    "KNOWN": Guard(26, "diagnosis.py: known_owner", "the journal testifies, too", _RESTORED_BACK),
    "OUTLIVED": Guard(27, "recovery.py: _outlived", "nor is a switch that others have outlived", _RESTORED_BACK),
    "GIVE_WAY": Guard(28, "side.sql: give_way", "first the other side's row moves, as it was read", _PERSONS),
    "ADOPT_EPOCH": Guard(29, "side.sql: adopt", "compares state and epoch", _PERSONS),
    "ADOPT_ASKED": Guard(30, "adoption.py: NothingToAdopt", "adopts nothing where the rows say who owns", _RESTORED),
    "BEYOND": Guard(
        31, "adoption.py: _beyond", "an epoch that nobody has seen", _RESTORED | {"PROXIES": 1, "WRITES": 0}
    ),
    "SOURCE_BEHIND": Guard(
        32, "losses.py: SourceBehind", "a source from the past sends nothing more", _RESTORED | {"WRITES": 2}
    ),
    "SLOT_AHEAD": Guard(33, "losses.py: SlotAhead", "a target behind its slot gets nothing more", _RESTORED),
    "COPY_LOOKS": Guard(
        34, "restarts.py: _require_no_doubt", "looks at the source again before a copy",
        _RESTORED | {"PERSONS": 0, "BUDGET": 1},
    ),
    "COPY_WAITS": Guard(35, "restarts.py: AFTER_LOSS", "a copy from a source in doubt waits for a person", _RESTORED),
    "COPY_RELEASED": Guard(36, "restarts.py: _how", "a taker that lost its rows gets them again", _RESTORED),
    "MARK_AGAIN": Guard(37, "side.sql: mark_again", "and another marker after them", _RESTORED),
    "INTENT_TOLD": Guard(38, "diagnosis.py: known_owner", "so does the newest intent, closed or not", _RESTORED_BACK),
}  # fmt: skip
