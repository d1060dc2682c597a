"""Is this the moment for a switch? Judges what the caller has measured just before."""

from __future__ import annotations

from collections.abc import Iterator

from migration_plan.errors import Refusal
from migration_plan.lifecycle import Side
from migration_plan.plan import Plan
from migration_plan.preflight.facts import SwitchFacts


def check_moment(switch: SwitchFacts, plan: Plan) -> Iterator[Refusal]:
    """Stage, streams both ways, verification, contract, proxies."""
    if switch.stage:
        yield Refusal("stage-refused", switch.stage, f"fig status {plan.domain}")
    yield from _check_streams(switch, plan)
    yield from _check_verification(switch, plan)
    yield from _check_contract(switch, plan)
    for publisher, reason in sorted(switch.outboxes.items()):
        if reason:
            yield Refusal("outbox-behind", f"publisher {publisher}: {reason}", "fig status; fig logs streams")
    for proxy, reason in sorted(switch.proxies.items()):
        if reason:
            yield Refusal("proxy-silent", f'proxy "{proxy}" does not answer: {reason}', "fig status; fig logs nginx")
    if not switch.proxies:
        yield Refusal("no-proxy", "no proxy is known; nothing could hold requests", "name the proxies in fig.yml")


def _check_streams(switch: SwitchFacts, plan: Plan) -> Iterator[Refusal]:
    for name, reason in sorted(switch.halted.items()):
        yield Refusal("stream-halted", f"{name} stands still: {reason}", f"fig sync status {plan.domain}")
    forward = f"{plan.domain}_to_{switch.giver.other}"
    if switch.lag is None:
        yield Refusal("stream-not-running", f"stream {forward} does not run", "fig status; fig logs cdc")
    elif switch.lag > plan.gates.lag:
        yield Refusal(
            "lag",
            f"stream {forward} is {switch.lag:.2f} s behind; the plan allows {plan.gates.lag:g} s",
            f"wait, and look: fig status {plan.domain}",
        )
    for stream in (forward, f"{plan.domain}_to_{switch.giver}"):
        if not switch.probes.get(stream, False):
            yield Refusal(
                "stream-unproven",
                f"no probe has come through stream {stream}; the way is not proven",
                "fig status; fig logs cdc",
            )


def _check_verification(switch: SwitchFacts, plan: Plan) -> Iterator[Refusal]:
    command, age = f"fig verify {plan.domain}", switch.verification_age
    if switch.differences:
        yield Refusal(
            "verification-differs",
            f"the last verification found {switch.differences} row(s) that differ",
            f"{command}, and repair what it names",
        )
    if age is None:
        yield Refusal("verification-missing", "both sides have not been verified", command)
    elif age > plan.gates.verification_age:
        yield Refusal(
            "verification-stale",
            f"the last verification is {age:.0f} s old; the plan allows {plan.gates.verification_age:g} s",
            command,
        )


def _check_contract(switch: SwitchFacts, plan: Plan) -> Iterator[Refusal]:
    """On the way to the service only: the way back is never closed by a suite."""
    command, age = f"fig contract {plan.domain}", switch.contract_age
    most = plan.gates.contract_age
    if not plan.contract or most is None or switch.giver is Side.SERVICE:
        return
    if age is None:
        yield Refusal("contract-missing", "the plan's contract command has not been run", command)
    elif switch.contract_exit:
        yield Refusal("contract-broken", f"the contract command ended with {switch.contract_exit}", command)
    elif age > most:
        yield Refusal(
            "contract-stale",
            f"the contract command ran {age:.0f} s ago; the plan allows {most:g} s",
            command,
        )
