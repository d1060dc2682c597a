"""`fig verify`: every row of a domain on both sides at one exact point; its age is a gate of the switch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

from cdc.errors import CdcError
from cdc.projection import Direction
from cdc.verify import Report, compare
from cdc.verify_gate import exact_pair
from migration_plan.errors import FigError
from migration_plan.lifecycle import Side, Stage
from migration_plan.moves import Unsettled
from migration_plan.observation import own_scans
from migration_plan.parts import Parts, read_rows
from migration_plan.recovery import Case, decide

OnRows = Callable[[int, int], None]
SHOWN = 20


class VerificationFailed(FigError):
    """Both sides could not be compared; this says nothing about their rows."""

    code = "verification-failed"
    exit_code = 8


def _sessions() -> int:
    """Of each side; both databases may be on this machine."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))


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
        decision.epoch,
        rows=report.rows,
        differences=report.count,
        seconds=round(report.seconds, 2),
        scans=scans,
    )
    return report
