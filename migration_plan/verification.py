"""`fig verify`: every row of a domain on both sides at one exact point; its age is a gate of the switch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import psycopg

from cdc import snapshot_progress
from cdc.errors import CdcError
from cdc.projection import Direction, Table
from cdc.refill import Refilled, refill
from cdc.repair import Repaired, repair
from cdc.snapshot_progress import OnSnapshot, SnapshotProgress
from cdc.snapshot_record import INITIAL
from cdc.verify import Report, compare
from cdc.verify_gate import exact_pair
from cdc.verify_view import Range
from migration_plan.errors import FigError
from migration_plan.lifecycle import Side, Stage
from migration_plan.moves import Unsettled
from migration_plan.observation import own_scans
from migration_plan.parts import Parts, read_rows
from migration_plan.recovery import Case, decide
from migration_plan.streams import spec

OnRows = Callable[[int, int], None]
SHOWN = 20


_DIRECTION = {Side.SERVICE: Direction.TO_SERVICE, Side.MONOLITH: Direction.TO_MONOLITH}


def _silent(progress: SnapshotProgress) -> None:
    """For those who only want the result."""


class VerificationFailed(FigError):
    """Both sides could not be compared; this says nothing about their rows."""

    code = "verification-failed"
    exit_code = 8


def _sessions() -> int:
    """Of each side; both databases may be on this machine."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))


def _owner(parts: Parts) -> tuple[Side, int]:
    """(who owns the domain, its epoch)"""
    decision = decide(read_rows(parts))
    if decision.case is not Case.REST or decision.giver is None:
        raise Unsettled(f'domain "{parts.domain}": {decision.reason}', f"fig resume {parts.domain}")
    return decision.giver, decision.epoch


def _require_copied(parts: Parts, copy: Side) -> None:
    """A copy that is not whole yet is nothing to compare with."""
    for progress in copies(parts, copy):
        if progress.task == INITIAL and not progress.is_complete:
            raise VerificationFailed(
                f'domain "{parts.domain}": its copy is not complete, {progress.line}', f"fig advance {parts.domain}"
            )


def copies(parts: Parts, side: Side) -> tuple[SnapshotProgress, ...]:
    """What that side remembers of copies of rows to it, unfinished ones first."""
    with psycopg.connect(parts.plan.sides[side].dsn, autocommit=True) as target:
        return snapshot_progress.read(target, parts.stream_to(side))


def repair_domain(parts: Parts, progress: OnRows | None = None) -> Repaired:
    """Verify, name each difference by its cause, copy the rows concerned again, and look at them again."""
    owner, epoch = _owner(parts)
    report = verify_domain(parts, progress)
    projections = parts.plan.lens.projections(Direction.TO_SERVICE)
    try:
        done = repair(spec(parts, owner.other), projections, _DIRECTION[owner.other], report.differences)
    except CdcError as error:
        raise VerificationFailed(f'domain "{parts.domain}": {error}', error.next_step) from error
    causes = Counter(str(one.cause) for one in done.named)
    parts.journal.record(parts.domain, "repaired", epoch, rows=done.rows, causes=causes, left=len(done.remaining))
    return done


def refill_table(
    parts: Parts, table: Table, within: Range | None = None, on_progress: OnSnapshot = _silent
) -> Refilled:
    """Copy one table of the copy again, or a range of its keys, while the stream runs."""
    owner, epoch = _owner(parts)
    done = refill(spec(parts, owner.other), table, within, on_progress=on_progress)
    parts.journal.record(parts.domain, "refilled", epoch, table=str(table), rows=done.rows)
    return done


def verify_domain(parts: Parts, progress: OnRows | None = None) -> Report:
    """Compare the owner's rows with the copy, under live writes, and remember the result."""
    if parts.journal.stage(parts.domain) is Stage.RETIRED:
        raise VerificationFailed(
            f'domain "{parts.domain}" is retired: the monolith\'s rows are old ones, there is nothing to compare', ""
        )
    owner, epoch = _owner(parts)
    _require_copied(parts, owner.other)
    direction = _DIRECTION[owner.other]
    plan, stream = parts.plan, parts.stream_to(owner.other)
    try:
        with exact_pair(plan.sides[owner].dsn, plan.sides[owner.other].dsn, stream, sessions=_sessions()) as pair:
            report = compare(
                pair.source,
                pair.target,
                plan.lens.projections(Direction.TO_SERVICE),
                direction,
                on_rows=progress or (lambda done, expected: None),
                more=pair.more,
            )
            sessions = [(pair.source, pair.target), *pair.more]
            scans = sum((Counter(own_scans(both[owner is not Side.MONOLITH])) for both in sessions), Counter[str]())
    except CdcError as error:
        raise VerificationFailed(f'domain "{parts.domain}": {error}', error.next_step) from error
    places = [
        {"table": str(d.table), "key": dict(d.key), "column": d.column, "kind": d.kind} for d in report.differences
    ]
    parts.journal.verified(parts.domain, report.rows, report.count, {"lsn": pair.lsn, "differences": places[:SHOWN]})
    parts.journal.record(
        parts.domain,
        "verified",
        epoch,
        rows=report.rows,
        differences=report.count,
        seconds=round(report.seconds, 2),
        scans=scans,
    )
    return report
