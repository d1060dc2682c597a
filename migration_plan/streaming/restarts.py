"""How a stream that lost or gave up its slot comes back: what may be done by itself, and doing it under the lease."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import psycopg

from cdc import control, install, servers
from cdc.capture import losses, slots
from cdc.capture.budget import Budget
from cdc.control import Event
from cdc.copying import snapshot
from cdc.copying.snapshot import SnapshotProgress
from cdc.errors import CdcError
from cdc.spec import StreamSpec
from cdc.stream_errors import StreamIdentityChanged
from migration_plan.errors import FigError, LeaseHeld
from migration_plan.lifecycle import Side
from migration_plan.parts import Parts, read_rows
from migration_plan.recovering.controller import LEASE_SECONDS
from migration_plan.recovering.diagnosis import read_and_decide
from migration_plan.recovering.leasing import kept_up
from migration_plan.recovering.recovery import Case

# A copy from the source deletes what only the target has. Where the source may have lost rows, the target may be the
# only place that still holds them: then a person looks first.
AFTER_LOSS: dict[type[StreamIdentityChanged], Event] = {
    losses.SlotMissing: Event.LOST,
    losses.SlotInvalidated: Event.LOST,
    losses.SlotAhead: Event.LOST,
    losses.SourcePromoted: Event.LOST,
    losses.SourceLostWrites: Event.DOUBTFUL,
    losses.SourceBehind: Event.DOUBTFUL,
    losses.SourceRebuilt: Event.DOUBTFUL,
}


def next_step(error: StreamIdentityChanged, domain: str, target: Side) -> str:
    """What a person has to do about it, if anything."""
    if AFTER_LOSS.get(type(error), Event.DOUBTFUL) is Event.LOST:
        return f"none: it comes back by itself with what has changed (fig sync status {domain})"
    looked = f"see whether the {target} side has rows that the {target.other} side has lost"
    return f"{looked}; then fig sync snapshot {domain} --direction to_{target}"


class How(StrEnum):
    """What brings a stream back."""

    COPY = "copy"  # The source owns: its rows are the truth, the target gets all of them.
    COPY_OF_RELEASED = "copy-of-released"  # So it is: the source has let go, and the target is still to be granted.
    NEW_SLOT = "new-slot"  # The source is the copy: nothing of its own can have been missed.


class NotNow(FigError):
    """The stream cannot come back yet; it is tried again by itself, and this counts as no attempt."""

    code = "restart-postponed"


_domain_locks: dict[str, threading.Lock] = {}


def note_loss(spec: StreamSpec, budget: Budget, error: StreamIdentityChanged) -> None:
    """Write down that the stream has no slot to go on from. The first time it may come back at once."""
    with servers.connect(spec.source_dsn, "source", f"fig-restart {spec.name}") as connection:
        times = control.read(connection, spec.name).times + 1
        pause = 0.0 if times == 1 else budget.pause_after(times - 1)
        control.move(
            connection, spec.name, AFTER_LOSS.get(type(error), Event.DOUBTFUL), error.code, error.message, pause, times
        )  # fmt: skip


def bring_back(parts: Parts, target: Side, spec: StreamSpec, budget: Budget) -> How | None:
    """Slot, rows where they are needed, position; NotNow where it has to wait. None: nothing had to be done.

    Dying anywhere leaves the phase at "copying", which whoever comes next begins again from the start.
    """
    with _alone(parts):
        how = _how(parts, target)
        with servers.connect(spec.source_dsn, "source", f"fig-restart {spec.name}") as connection:
            before = control.read(connection, spec.name)
            if how is not How.NEW_SLOT and before.code != control.ASKED:
                _require_no_doubt(spec)
            if not control.move(connection, spec.name, Event.DUE):
                return None
        try:
            _renew(parts, spec, target, how)
        except (CdcError, FigError, psycopg.Error) as error:
            _note_failure(spec, budget, before.times + 1, error)
            raise
        with servers.connect(spec.source_dsn, "source", f"fig-restart {spec.name}") as connection:
            control.move(connection, spec.name, Event.COPIED)
    parts.journal.record(parts.domain, "stream-returned", stream=spec.name, how=how, after=before.code)
    return how


def _require_no_doubt(spec: StreamSpec) -> None:
    """Since the slot went the source may have lost writes that the target has: then a person looks, as always."""
    with servers.connect(spec.target_dsn, "target", f"fig-restart {spec.name}") as target:
        loss = install.loss(target, spec)
    if loss is not None and AFTER_LOSS.get(type(loss), Event.DOUBTFUL) is Event.DOUBTFUL:
        raise loss


def _renew(parts: Parts, spec: StreamSpec, target: Side, how: How) -> None:
    with servers.connect(spec.source_dsn, "source", f"fig-restart {spec.name}") as connection:
        slots.take_away(connection, spec.slot)
        if how is How.NEW_SLOT:
            install.prepare_reverse(spec)
            return

        def on_progress(progress: SnapshotProgress) -> None:
            said = progress.line
            control.tell_progress(connection, spec.name, said)

        snapshot.copy(spec, on_progress)
    if how is How.COPY_OF_RELEASED:
        _mark_again(parts, target.other)


def _mark_again(parts: Parts, giver: Side) -> None:
    """The copy's position knows no marker, and a grant wants one."""
    row = parts.sides[giver].row(parts.domain)
    if row is not None and row.state == "released":
        lock, sequences = parts.plan.limits.fence_lock, parts.sequences_from(giver)
        parts.sides[giver].mark_again(parts.domain, row.epoch, lock, sequences)


def _how(parts: Parts, target: Side) -> How:
    rows = read_rows(parts)
    for side, row in rows.items():
        if row is None:
            raise NotNow(f"the {side} side cannot be read, or does not know the domain", "fig status")
    decision, _rows, _intent = read_and_decide(parts)
    if decision.case is Case.FINISH_GRANT and decision.giver is target.other:
        # The taker has failed over and lost what it had applied. Nobody owns, and nobody else can bring its rows.
        return How.COPY_OF_RELEASED
    if not decision.settled or decision.giver is None:
        raise NotNow(f"a switch is under way: {decision.reason}", f"fig resume {parts.domain}")
    return How.COPY if decision.giver is target.other else How.NEW_SLOT


def _note_failure(spec: StreamSpec, budget: Budget, times: int, error: Exception) -> None:
    code, message = getattr(error, "code", "database-error"), getattr(error, "message", type(error).__name__)
    with servers.connect(spec.source_dsn, "source", f"fig-restart {spec.name}") as connection:
        control.move(
            connection, spec.name, Event.COPY_FAILED, code, message, budget.pause_after(times), times
        )  # fmt: skip


@contextmanager
def _alone(parts: Parts) -> Iterator[None]:
    """Nobody switches the domain meanwhile, and its other stream does not come back at the same time."""
    lock = _domain_locks.setdefault(parts.domain, threading.Lock())
    if not lock.acquire(blocking=False):
        raise NotNow(f'the other stream of "{parts.domain}" is coming back', f"fig sync status {parts.domain}")
    try:
        try:
            lease = parts.journal.acquire(parts.domain, LEASE_SECONDS)
        except LeaseHeld as held:
            raise NotNow(held.message, held.next_step) from held
        try:
            with kept_up(lease):
                yield
        finally:
            parts.journal.give_back(lease)
    finally:
        lock.release()
