"""How a switch that began comes to its end, whoever began it: taken back before the decision, finished after it."""

from __future__ import annotations

import time

from migration_plan.errors import FigError, TablesBusy
from migration_plan.lifecycle import Row, Side
from migration_plan.parts import Parts

POLL = 0.01  # Seconds between two attempts.


def abort(parts: Parts, giver: Side, fenced_epoch: int, lock: float, patience: float = 30.0) -> Row:
    """fenced -> owner again, then the proxies. Needs the giver only; repeated while its tables are busy."""
    deadline = time.monotonic() + patience
    while True:
        try:
            owner = parts.sides[giver].unfence(parts.domain, fenced_epoch, lock)
            break
        except TablesBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL)
    parts.route(owner.epoch, giver)
    return owner


def finish_grant(parts: Parts, giver: Side, released: Row, lock: float, patience: float = 60.0) -> Row:
    """Grant until it holds: the taker may have lost unflushed rows, be busy, or be restarting."""
    deadline = time.monotonic() + patience
    stream = parts.stream_to(giver.other)
    assert released.marker is not None  # noqa: S101 - kept in the row from the fence until the next grant.
    while True:
        try:
            return parts.sides[giver.other].grant(parts.domain, released.epoch, stream, released.marker, lock)
        except FigError as error:
            if error.code == "stale-epoch" or time.monotonic() > deadline:
                raise
            time.sleep(POLL)
