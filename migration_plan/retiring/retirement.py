"""The last step of a domain's life: prove that the monolith's side is dead, then take the streams away.

Watching takes no process: the first call notes all counters, a later one compares them. The decision is the stage in
the journal, a compare-and-set on the epoch; before it both streams are whole, after it `finish` may be repeated by
anyone. The monolith's tables stay fenced, so that nobody writes them by mistake; nothing of the application's is
dropped by us.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import psycopg

from cdc import install
from migration_plan.configuration import units
from migration_plan.configuration.plan import Plan
from migration_plan.errors import PreflightRefused, Refusal
from migration_plan.gate import Gate
from migration_plan.lifecycle import Row, Side, Stage
from migration_plan.parts import Parts, read_rows
from migration_plan.preflight.facts import FENCE
from migration_plan.retiring.deadness import Sample, readers_left, signs_of_life
from migration_plan.retiring.observation import outgoing_keys, readers, take, verified_scans
from migration_plan.sync import outboxes
from migration_plan.sync.preparation import probe_streams
from migration_plan.sync.streams import spec

OBSERVED, RETIRED = "observed", "retired"
OUTBOX_SECONDS = 5.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Leftover:
    """Something that nobody needs any more and that we leave to the team."""

    kind: str
    name: str
    what: str

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "name": self.name, "what": self.what}


def steps(plan: Plan, epoch: int) -> list[tuple[str, str]]:
    """What `retire` does, as a person reads it."""
    domain, both = plan.domain, f"fig_{plan.domain}_to_service and fig_{plan.domain}_to_monolith"
    return [
        ("preflight", "a probe goes both ways; no foreign key, view, function, route or session reads the monolith's"),
        ("observe", f"for {units.said(plan.retire.after)}: no request to the monolith, no write, no read but our own;"
                    " the first call begins it, and so does each one that finds a sign of life"),
        ("epoch", f"service: owner,{epoch} -> owner,{epoch + 2}, so that paused controllers are void"),
        ("retired", f"journal: stage retired at epoch {epoch + 2} (the decision; from here there is no way back)"),
        ("streams", f"slots {both}, both publications and the publisher of the monolith's outbox go;"
                    f" {domain} stays fenced on the monolith's side"),
        ("list", "print what can be deleted; nothing is deleted"),
    ]  # fmt: skip


def retire(parts: Parts, owner: Row, say: Say, checkpoint: Say) -> list[Leftover]:
    """Prove, decide, finish. PreflightRefused says what is missing; the domain then stays where it is."""
    say("preflight")
    if refusals := _unproven(parts, owner.epoch):
        raise PreflightRefused(parts.domain, refusals)
    checkpoint("proven")
    say("retired")
    alone = parts.sides[Side.SERVICE].void(parts.domain, owner.epoch, parts.plan.limits.fence_lock)
    parts.route(alone.epoch, Side.SERVICE)
    checkpoint("void")
    parts.journal.set_stage(parts.domain, Stage.RETIRED, alone.epoch)
    checkpoint("decided")
    return finish(parts, say)


def finish(parts: Parts, say: Say) -> list[Leftover]:
    """After the decision: the streams away, the list into the journal. May be repeated."""
    left = leftovers(parts)
    say("streams")
    both = [spec(parts, side) for side in Side]
    for stream in both:
        # Without its position a running stream stops at its next transaction and lets go of its slot.
        with psycopg.connect(stream.target_dsn, autocommit=True) as target:
            install.forget(target, stream)
    for stream in both:
        install.remove(stream)
    outboxes.retire(parts)
    row = read_rows(parts)[Side.SERVICE]
    parts.journal.record(
        parts.domain, RETIRED, None if row is None else row.epoch, leftovers=[one.as_json() for one in left]
    )
    return left


def listed(parts: Parts) -> list[Leftover]:
    """What the journal says of a retired domain; nothing of any other one."""
    entry = parts.journal.last(parts.domain, RETIRED)
    return [] if entry is None else [Leftover(**one) for one in entry.detail["leftovers"]]


def is_finished(parts: Parts) -> bool:
    """Whether the domain is not retired, or wholly."""
    return (
        parts.journal.stage(parts.domain) is not Stage.RETIRED or parts.journal.last(parts.domain, RETIRED) is not None
    )


def _unproven(parts: Parts, epoch: int) -> list[Refusal]:
    """Everything that is missing to the proof; a new beginning of the time is noted."""
    took = probe_streams(parts)
    refusals = [
        Refusal(
            "stream-silent",
            f"no probe came through {parts.stream_to(side)}: somebody may have written past the fence",
            f"fig status; fig history {parts.domain}",
        )
        for side, seconds in took.items()
        if seconds is None
    ]
    own = parts.publisher_of(Side.MONOLITH)
    if waits := outboxes.behind(parts, OUTBOX_SECONDS).get(own):
        refusals.append(Refusal("outbox-behind", f"publisher {own}: {waits}", "fig status; fig logs streams"))
    refusals += readers_left(readers(parts))
    if refusals:
        return refusals
    now = take(parts, epoch)
    before = _observed(parts, epoch)
    after = parts.plan.retire.after
    if before is None:
        _observe(parts, now)
        return [_not_yet(parts, "the monolith's side is watched from now on", after)]
    found = list(signs_of_life(before, now, verified_scans(parts, before.at)))
    if found:
        _observe(parts, now)
        return [*found, _not_yet(parts, "so the time begins again", after)]
    quiet = (now.at - before.at).total_seconds()
    if quiet < after:
        return [_not_yet(parts, f"the monolith's side has been unused for {units.said(quiet)}", after - quiet)]
    return []


def gates(parts: Parts) -> tuple[Gate, ...]:
    """Who still could read, and how far the proof is, from what was noted; nothing is noted by looking. Never forced:
    there is no way back."""
    left = tuple(readers_left(readers(parts)))
    others = Gate(
        "readers", not left, f"{len(left)} left", "0 left", left[0].next_step if left else "", False, left, len(left)
    )
    return others, _deadness(parts)


def _deadness(parts: Parts) -> Gate:
    row, after = read_rows(parts)[Side.SERVICE], parts.plan.retire.after
    before = None if row is None else _observed(parts, row.epoch)
    command, limit = f"fig advance {parts.domain}", f"unused for {units.said(after)}"
    if before is None:
        return Gate("deadness", False, "not watched yet", limit, f"begin to watch: {command}", False)
    quiet = (parts.journal.now() - before.at).total_seconds()
    alive = tuple(signs_of_life(before, take(parts, before.epoch), verified_scans(parts, before.at)))
    figure = f"{len(alive)} sign(s) of life" if alive else f"unused for {units.said(quiet)}"
    wait = f"in {units.said(max(0.0, after - quiet))}: {command}"
    return Gate("deadness", not alive and quiet >= after, figure, limit, wait, False, alive)


def _not_yet(parts: Parts, why: str, seconds: float) -> Refusal:
    wait = units.said(seconds)
    return Refusal("too-early", why, f"in {wait}: fig advance {parts.domain}")


def _observe(parts: Parts, sample: Sample) -> None:
    parts.journal.record(parts.domain, OBSERVED, sample.epoch, at=sample.at, sample=sample.as_json())


def _observed(parts: Parts, epoch: int) -> Sample | None:
    """Where the time began; a switch in between ends it."""
    entry = parts.journal.last(parts.domain, OBSERVED)
    if entry is None or entry.epoch != epoch:
        return None
    at: datetime = entry.at
    return Sample.parse(at, entry.detail["sample"])


def leftovers(parts: Parts) -> list[Leftover]:
    """What can be deleted on the monolith's side, from the plan and the triggers of ours."""
    plan = parts.plan
    tables = [str(table) for table in plan.lens.tables(Side.MONOLITH)]
    others = [one.domain for one in parts.neighbours if parts.journal.stage(one.domain) is not Stage.RETIRED]
    need = f"still needed by {', '.join(others)}" if others else "no domain of this application needs it any more"
    return [
        *(Leftover("table", table, f"DROP TABLE {table}") for table in tables),
        *(Leftover("trigger", f"{FENCE} of {table}", "goes with its table; until then it keeps writers out")
          for table in tables),
        *(Leftover("sequence", pair.monolith, f"DROP SEQUENCE {pair.monolith}") for pair in plan.sequences),
        *(Leftover("foreign key", key, "goes with its table") for key in outgoing_keys(parts)),
        *(Leftover("trigger", name, "goes with its table, its function does not") for name in plan.crossing.triggers),
        *(Leftover("route", route.path, "the monolith's code of it, its timers and its consumers")
          for route in plan.routes),
        Leftover("row", f"fig.domain: {plan.domain}", f"select fig.dismiss('{plan.domain}', 1000); then the tables"),
        Leftover("middleware", "the monolith's answer 421", need),
    ]  # fmt: skip
