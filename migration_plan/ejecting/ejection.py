"""Every trace of ours leaves the databases of both sides, and each is named: `fig eject`.

`inspect` looks, `judge` decides, `eject` acts. What is gone is gone for good only in an order that a death anywhere
leaves repeatable: the schema, which the others need, comes last. The journal knows beforehand what is to go, so that
whoever comes after a death can still say all that was removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from migration_plan.ejecting.traces import Found, Trace, inspect, places, remove
from migration_plan.errors import FigError, Refusal
from migration_plan.exit_codes import Exit
from migration_plan.journal.half_done import EJECTION, last_begun
from migration_plan.lifecycle import Side, Stage
from migration_plan.parts import Parts, no_checkpoint
from migration_plan.recovering.leasing import Held, alone_on


class EjectRefused(FigError):
    """All reasons at once; nothing was removed."""

    code = "eject-refused"
    exit_code = Exit.REFUSED

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        lines = "\n".join(f"  - [{r.code}] {r.message} ({r.next_step})" for r in refusals)
        super().__init__(f"{len(refusals)} reason(s) against it; nothing was removed:\n{lines}")
        self.refusals = refusals

    def as_json(self) -> dict[str, object]:
        return {**super().as_json(), "refusals": [refusal.as_json() for refusal in self.refusals]}


def look(domains: Sequence[Parts]) -> tuple[list[Found], list[Refusal]]:
    """What every database holds of ours, and every reason against taking it away. Changes nothing."""
    streams = [parts.stream_to(side) for parts in domains for side in Side]
    found = [inspect(place, streams) for place in places(domains)]
    stages = {parts.domain: parts.journal.stage(parts.domain) for parts in domains}
    return found, judge(stages, [parts.domain for parts in domains if parts.plan.outbox], found)


def judge(stages: dict[str, Stage], outboxes: Sequence[str], found: Sequence[Found]) -> list[Refusal]:
    """Every reason why something would be lost or broken; pure. `outboxes`: the domains that publish through fig."""
    refusals = []
    for domain, stage in stages.items():
        if stage is Stage.RETIRED:
            if domain in outboxes:
                refusals.append(Refusal(
                    "publishes", f'"{domain}" is retired, and fig publishes what it writes into its outbox',
                    "let another publisher take the outbox over, and take it out of the plan"))  # fmt: skip
        elif stage is not Stage.MONOLITH:
            refusals.append(Refusal(
                "moving", f'"{domain}" is in stage {stage}: one side would go on with old rows, and nobody would keep'
                " its writers out", f"fig rollback {domain}, or fig advance {domain} until it is retired"))  # fmt: skip
    for one in found:
        refusals += [*_in_the_way(one)]
        retired = [domain for domain, stage in stages.items() if stage is Stage.RETIRED]
        fences = [trace.name for trace in one.traces if trace.kind == "trigger" and one.place.side is Side.MONOLITH]
        if retired and fences:
            refusals.append(Refusal(
                "fenced", f"{one.place.name}: {', '.join(fences)} keep old writers out of what is retired"
                f" ({', '.join(retired)})", "delete those tables first: fig history lists them"))  # fmt: skip
    return refusals


def _in_the_way(found: Found) -> Iterator[Refusal]:
    name = found.place.name
    if found.sessions:
        yield Refusal(
            "running", f"{name}: {', '.join(found.sessions)} are connected",
            "stop `fig streams` and `fig controller` (local stack: fig stop streams controller)")  # fmt: skip
    if found.strangers:
        yield Refusal(
            "depended-on", f"{name}: {', '.join(found.strangers)} stand on tables or functions of fig and would go"
            " with them", "drop or change them first")  # fmt: skip
    if found.dropped_keys:
        yield Refusal(
            "keys-away", f"{name}: foreign keys that fig has dropped are not back: {', '.join(found.dropped_keys)}",
            "fig history names the rows that refer to nothing; mend them, then fig resume")  # fmt: skip
    if found.missing_indexes:
        yield Refusal(
            "indexes-away", f"{name}: what a copy has taken away is not back: {', '.join(found.missing_indexes)}",
            "let the copy end: fig advance the domain, then fig rollback it")  # fmt: skip
    if not found.place.admin_dsn and any(trace.kind == "event trigger" for trace in found.traces):
        yield Refusal(
            "superuser", f"{name}: only a superuser can drop the event triggers fig_sentry…",
            "drop event trigger fig_sentry, and those whose names begin so; or give admin_dsn in the plan")  # fmt: skip


def eject(
    domains: Sequence[Parts],
    say: Callable[[Trace], None],
    wait: Callable[[str], None],
    checkpoint: Callable[[str], None] = no_checkpoint,
) -> list[Trace]:
    """Take every trace away, one at a time; each is said once it is gone. May be repeated after a death anywhere.

    Under the leases of all domains, also while it is looked for reasons against it: EjectRefused, or LeaseHeld where
    somebody else is at work; nothing was removed then. `wait` is told who is waited for.
    Returns all that is gone, also what somebody has taken away before us who died before the journal had it.
    """
    with alone_on(domains, wait) as held:
        found, refusals = look(domains)
        if refusals:
            raise EjectRefused(refusals)
        return _remove(domains, found, held, say, checkpoint)


def _remove(
    domains: Sequence[Parts],
    found: Sequence[Found],
    held: Held,
    say: Callable[[Trace], None],
    checkpoint: Callable[[str], None],
) -> list[Trace]:
    there = [trace for one in found for trace in one.traces]
    gone = [trace for trace in _begun(domains) if trace not in there]
    if not gone and not there:
        return []
    _record(domains, EJECTION.begun, [*gone, *there])
    checkpoint("announced")
    for trace in gone:
        say(trace)
    for one in found:
        for trace in one.traces:
            held.demand()
            remove(one.place, trace)
            say(trace)
            checkpoint(f"removed {trace.kind}")
    held.demand()
    _record(domains, EJECTION.ended, [*gone, *there])
    return [*gone, *there]


def _record(domains: Iterable[Parts], kind: str, traces: Sequence[Trace]) -> None:
    for parts in domains:
        parts.journal.record(parts.domain, kind, traces=[trace.as_json() for trace in traces])


def _begun(domains: Iterable[Parts]) -> list[Trace]:
    """What an eject that has not ended wanted to take away."""
    begun = (last_begun(parts.journal, parts.domain, EJECTION) for parts in domains)
    traces = (Trace(**one) for entry in begun if entry is not None for one in entry.detail["traces"])
    return list(dict.fromkeys(traces))
