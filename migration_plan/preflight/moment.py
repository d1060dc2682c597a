"""Is this the moment for a switch? Judges what the caller has measured just before, gate by gate."""

from __future__ import annotations

from collections.abc import Iterator

from migration_plan.configuration import units
from migration_plan.configuration.plan import Plan
from migration_plan.errors import Refusal
from migration_plan.gate import Gate
from migration_plan.lifecycle import Side
from migration_plan.preflight.facts import SwitchFacts


def check_moment(switch: SwitchFacts, plan: Plan) -> Iterator[Refusal]:
    """Stage, streams both ways, verification, contract, proxies."""
    if switch.stage:
        yield Refusal("stage-refused", switch.stage, f"fig status {plan.domain}")
    for gate in gates(switch, plan):
        yield from gate.refusals


def gates(switch: SwitchFacts, plan: Plan) -> tuple[Gate, ...]:
    """All of them, in the order in which a person deals with them."""
    return (
        _streams(switch, plan),
        _lag(switch, plan),
        _clean(switch, plan),
        _fresh(switch, plan),
        *_contract(switch, plan),
        *_rehearsal(switch, plan),
        *([_outboxes(switch)] if switch.outboxes else []),
        _proxies(switch),
    )


def _gate(
    name: str, figure: str, limit: str, reasons: list[Refusal], next_step: str, forced: bool = False,
    value: float | None = None,
) -> Gate:  # fmt: skip
    return Gate(name, not reasons, figure, limit, next_step, forced, tuple(reasons), value)


def _streams(switch: SwitchFacts, plan: Plan) -> Gate:
    """Both run and a probe has just come through each. Never forced: a way that is not proven may lead nowhere."""
    forward, domain = f"{plan.domain}_to_{switch.giver.other}", plan.domain
    reasons = [
        Refusal("stream-halted", f"{name} stands still: {reason}", f"fig sync status {domain}")
        for name, reason in sorted(switch.halted.items())
    ]
    if switch.lag is None:
        reasons.append(Refusal("stream-not-running", f"stream {forward} does not run", "fig status; fig logs streams"))
    both = (forward, f"{domain}_to_{switch.giver}")
    proven = [stream for stream in both if switch.probes.get(stream, False)]
    reasons += [
        Refusal(
            "stream-unproven",
            f"no probe has come through stream {stream}; the way is not proven",
            "fig status; fig logs streams",
        )
        for stream in both
        if stream not in proven
    ]
    return _gate("streams", f"{len(proven)} proven", "2 proven", reasons, f"fig sync status {domain}")


def _lag(switch: SwitchFacts, plan: Plan) -> Gate:
    """May be forced while the drain could still wait for it: the drain's own bound then decides, and aborts."""
    limit, reasons = plan.gates.lag, []
    step = f"wait, and look: fig status {plan.domain}"
    if switch.lag is not None and switch.lag > limit:
        forward = f"{plan.domain}_to_{switch.giver.other}"
        said = f"stream {forward} is {switch.lag:.2f} s behind; the plan allows {limit:g} s"
        reasons = [Refusal("lag", said, step)]
    figure = "unknown" if switch.lag is None else f"{switch.lag:.2f} s"
    within = switch.lag is not None and switch.lag <= plan.limits.drain
    return _gate("lag", figure, f"{limit:g} s", reasons, step, within, switch.lag)


def _clean(switch: SwitchFacts, plan: Plan) -> Gate:
    """The last verification found nothing. Never forced: rows that differ would be the owner's rows."""
    step, reasons = f"fig sync repair {plan.domain}", []
    if switch.differences:
        said = f"the last verification found {switch.differences} row(s) that differ"
        reasons = [Refusal("verification-differs", said, f"fig verify {plan.domain}, and repair what it names: {step}")]
    return _gate("verification", f"{switch.differences} difference(s)", "0 differences", reasons, step)


def _fresh(switch: SwitchFacts, plan: Plan) -> Gate:
    """Forced only where there was a verification at all."""
    command, age, limit = f"fig verify {plan.domain}", switch.verification_age, plan.gates.verification_age
    reasons = []
    if age is None:
        reasons = [Refusal("verification-missing", "both sides have not been verified", command)]
    elif age > limit:
        said = f"the last verification is {units.said(age)} old; the plan allows {units.said(limit)}"
        reasons = [Refusal("verification-stale", said, command)]
    figure = "never" if age is None else f"{units.said(age)} ago"
    return _gate("verification-age", figure, units.said(limit), reasons, command, age is not None, age)


def most_since_contract(plan: Plan, giver: Side) -> float | None:
    """How many seconds ago the contract command may have run; None: nobody asks."""
    return plan.gates.contract_age if plan.contract and giver is Side.MONOLITH else None


def most_since_rehearsal(plan: Plan, giver: Side) -> float | None:
    """How many seconds ago the switch may have been rehearsed; None: nobody asks."""
    return plan.gates.rehearsal_age if giver is Side.MONOLITH else None


def _contract(switch: SwitchFacts, plan: Plan) -> Iterator[Gate]:
    """On the way to the service only: the way back is never closed by a suite."""
    command, age, ended = f"fig contract {plan.domain}", switch.contract_age, switch.contract_exit
    if (most := most_since_contract(plan, switch.giver)) is None:
        return
    if age is None:
        reason = Refusal("contract-missing", "the plan's contract command has not been run", command)
        yield _gate("contract-age", "never", f"{most:g} s", [reason], command, True)
        return
    broken = [Refusal("contract-broken", f"the contract command ended with {ended}", command)] if ended else []
    yield _gate("contract", f"exit code {ended}", "exit code 0", broken, command)
    stale = []
    if age > most and not ended:
        said = f"the contract command ran {age:.0f} s ago; the plan allows {most:g} s"
        stale = [Refusal("contract-stale", said, command)]
    yield _gate("contract-age", f"{units.said(age)} ago", f"{most:g} s", stale, command, True, age)


def _rehearsal(switch: SwitchFacts, plan: Plan) -> Iterator[Gate]:
    """On the way to the service only. May be forced: it says what people would feel, and nothing is lost without it."""
    command, age = f"fig rehearse {plan.domain}", switch.rehearsal_age
    if (most := most_since_rehearsal(plan, switch.giver)) is None:
        return
    reasons = []
    if age is None:
        reasons = [Refusal("rehearsal-missing", "the switch has not been rehearsed", command)]
    elif switch.rehearsal_problems:
        said = f"the last rehearsal was not good: {'; '.join(switch.rehearsal_problems)}"
        reasons = [Refusal("rehearsal-bad", said, command)]
    elif age > most:
        said = f"the last rehearsal was {age:.0f} s ago; the plan allows {most:g} s"
        reasons = [Refusal("rehearsal-stale", said, command)]
    figure = "never" if age is None else f"{units.said(age)} ago"
    yield _gate("rehearsal", figure, f"a good one within {most:g} s", reasons, command, True, age)


def _outboxes(switch: SwitchFacts) -> Gate:
    reasons = [
        Refusal("outbox-behind", f"publisher {publisher}: {reason}", "fig status; fig logs streams")
        for publisher, reason in sorted(switch.outboxes.items())
        if reason
    ]
    return _gate("outboxes", f"{len(reasons)} behind", "0 behind", reasons, "fig status; fig logs streams")


def _proxies(switch: SwitchFacts) -> Gate:
    """Every one of them: one that does not hold would have requests fail that a held one would not. May be forced
    while another one answers: what a proxy sends by its old route is refused by the database, so no row depends on it.
    """
    reasons = [
        Refusal("proxy-silent", f'proxy "{proxy}" does not answer: {reason}', "fig status; fig logs nginx")
        for proxy, reason in sorted(switch.proxies.items())
        if reason
    ]
    if not switch.proxies:
        reasons = [Refusal("no-proxy", "no proxy is known; nothing could hold requests", "name the proxies in fig.yml")]
    answering = sum(not reason for reason in switch.proxies.values())
    known = len(switch.proxies) or 1
    figure, limit = f"{answering} of {known} answer", f"{known} of {known}"
    return _gate("proxies", figure, limit, reasons, "fig status", answering > 0)
