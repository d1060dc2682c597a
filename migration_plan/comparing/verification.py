"""`fig verify`: every row of a domain on both sides at one exact point; its age is a gate of the switch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from cdc import servers
from cdc.comparing.compare import Report, compare
from cdc.comparing.difference import without_values
from cdc.comparing.repair import Repaired, repair
from cdc.copying import snapshot_progress
from cdc.copying.snapshot_record import INITIAL
from cdc.errors import CdcError
from cdc.gate.exact import exact_pair
from cdc.projection import Direction
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.lifecycle import Side, Stage
from migration_plan.moving.moves import Unsettled
from migration_plan.parts import Parts, read_rows
from migration_plan.recovering.recovery import Case, decide
from migration_plan.retiring.observation import own_scans
from migration_plan.sync.streams import spec

OnRows = Callable[[int, int], None]
SHOWN = 20


class VerificationFailed(FigError):
    """Both sides could not be compared; this says nothing about their rows."""

    code = "verification-failed"
    exit_code = Exit.NOT_PROVEN


class RepairFailed(FigError):
    """What differs could not be copied again; whole units were, or nothing."""

    code = "repair-failed"
    exit_code = Exit.NOT_PROVEN


def _sessions() -> int:
    """Of each side; both databases may be on this machine."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))


def _require_copied(parts: Parts, copy: Side) -> None:
    """A copy that is not whole yet is nothing to compare with."""
    with servers.connect(parts.plan.sides[copy].dsn, "target", "fig-verify") as target:
        known = snapshot_progress.read(target, parts.stream_to(copy))
    for progress in known:
        if progress.task == INITIAL and not progress.is_complete:
            raise VerificationFailed(
                f'domain "{parts.domain}": its copy is not complete, {progress.line}', f"fig sync status {parts.domain}"
            )


def verify_domain(parts: Parts, progress: OnRows | None = None) -> Report:
    """Compare the owner's rows with the copy, under live writes, and remember the result."""
    if parts.journal.stage(parts.domain) is Stage.RETIRED:
        raise VerificationFailed(
            f'domain "{parts.domain}" is retired: the monolith\'s rows are old ones, there is nothing to compare', ""
        )
    decision = decide(read_rows(parts))
    if decision.case is not Case.REST or decision.giver is None:
        raise Unsettled(f'domain "{parts.domain}": {decision.reason}', f"fig resume {parts.domain}")
    owner = decision.giver
    direction = Direction.TO_SERVICE if owner is Side.MONOLITH else Direction.TO_MONOLITH
    _require_copied(parts, owner.other)
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
    hidden = [without_values(one, plan.personal) for one in report.differences]
    places = [{"table": str(d.table), "key": dict(d.key), "column": d.column, "kind": d.kind} for d in hidden]
    parts.journal.verified(parts.domain, report.rows, report.count, {"lsn": pair.lsn, "differences": places[:SHOWN]})
    parts.journal.record(
        parts.domain,
        "verified",
        decision.epoch,
        rows=report.rows,
        differences=report.count,
        seconds=round(report.seconds, 2),
        scans=scans,
    )
    return report


def shown(parts: Parts, report: Report, values: bool) -> Report:
    """The report for a person's eyes: without values, unless somebody asks for them; then the journal says who did."""
    if values:
        tables = sorted({str(one.table) for one in report.differences})
        parts.journal.record(parts.domain, "values-shown", what="differences", tables=tables)
        return report
    return replace(report, differences=tuple(without_values(one, parts.plan.personal) for one in report.differences))


def repair_domain(parts: Parts, progress: OnRows | None = None) -> Repaired:
    """Compare, then copy again what differs and is not merely on its way, while people write. Only the copy is
    changed, by the applier's rights; the owner's rows are what they are."""
    report = verify_domain(parts, progress)
    owner = decide(read_rows(parts)).giver or Side.MONOLITH
    direction = Direction.TO_SERVICE if owner is Side.MONOLITH else Direction.TO_MONOLITH
    projections = parts.plan.lens.projections(Direction.TO_SERVICE)
    try:
        done = repair(spec(parts, owner.other), projections, direction, report.differences)
    except CdcError as error:
        raise RepairFailed(f'domain "{parts.domain}": {error}', error.next_step) from error
    causes = Counter(str(one.cause) for one in done.named)
    parts.journal.record(parts.domain, "repaired", rows=done.rows, remaining=len(done.remaining), causes=dict(causes))
    return done


def hidden(parts: Parts, done: Repaired) -> Repaired:
    """The same without values."""
    personal = parts.plan.personal
    named = tuple(replace(one, difference=without_values(one.difference, personal)) for one in done.named)
    return replace(done, named=named, remaining=tuple(without_values(one, personal) for one in done.remaining))
