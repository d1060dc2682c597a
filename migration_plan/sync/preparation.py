"""What happens before and after a domain has two sides: preflight of a switch, beginning and end of `sync`."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from uuid import uuid4

import psycopg

from cdc import install
from cdc.copying import snapshot
from cdc.copying.snapshot import SnapshotProgress
from migration_plan.errors import FigError, PreflightRefused, TablesBusy
from migration_plan.exit_codes import Exit
from migration_plan.journal.journal import Lease
from migration_plan.lifecycle import Act, Side, Stage
from migration_plan.parts import Parts
from migration_plan.preflight import SwitchFacts, moment, preflight
from migration_plan.sync import crossing, outboxes
from migration_plan.sync.standing import halted
from migration_plan.sync.streams import spec
from proxy.errors import ProxyUnreachable

PROBE_SECONDS = 5.0
CATCH_UP_SECONDS = 60.0
Say = Callable[[str], None]


def switch_facts(parts: Parts, giver: Side) -> SwitchFacts:
    """Measure what a switch depends on: both streams by a probe, the verification's age, every proxy."""
    domain, plan, journal = parts.domain, parts.plan, parts.journal
    verification = journal.last_verification(domain)
    contract = None if moment.most_since_contract(plan, giver) is None else journal.last_contract(domain)
    rehearsed = None if moment.most_since_rehearsal(plan, giver) is None else journal.last(domain, "rehearsed")
    took = probe_streams(parts)
    silent: dict[str, str] = {}
    for proxy in parts.proxies:
        try:
            proxy.routes()
            silent[proxy.name] = ""
        except ProxyUnreachable as error:
            silent[proxy.name] = str(error)
    return SwitchFacts(
        giver=giver,
        lag=took[giver.other],
        verification_age=None if verification is None else verification.age,
        differences=0 if verification is None else verification.differences,
        outboxes=outboxes.behind(parts, PROBE_SECONDS),
        halted=halted(parts),
        probes={parts.stream_to(side): seconds is not None for side, seconds in took.items()},
        proxies=silent,
        contract_age=None if contract is None else contract.age,
        contract_exit=0 if contract is None else contract.exit_code,
        rehearsal_age=None if rehearsed is None else (journal.now() - rehearsed.at).total_seconds(),
        rehearsal_problems=() if rehearsed is None else tuple(rehearsed.detail["report"]["problems"]),
    )


def probe_streams(parts: Parts, within: float = PROBE_SECONDS) -> dict[Side, float | None]:
    """Send a probe through the stream to each side; seconds until it was applied there, None if it was not."""
    name, began = str(uuid4()), time.monotonic()
    for side in Side:
        parts.sides[side.other].probe(parts.domain, name)
    took: dict[Side, float | None] = dict.fromkeys(Side)
    while None in took.values() and time.monotonic() - began < within:
        for side in Side:
            if took[side] is None and parts.sides[side].probe_seen(parts.stream_to(side), name):
                took[side] = time.monotonic() - began
        time.sleep(0.005)
    return took


class StreamsSilent(FigError):
    """The streams do not bring a probe: nobody runs them, or they lag."""

    code = "probe-missing"
    exit_code = Exit.NOT_PROVEN

    def __init__(self, parts: Parts, took: dict[Side, float | None]) -> None:
        missing = ", ".join(parts.stream_to(side) for side, seconds in took.items() if seconds is None)
        super().__init__(
            f'domain "{parts.domain}": no probe came through {missing} within {CATCH_UP_SECONDS:g} s',
            "see that `fig streams` runs (fig status, fig logs streams), then run the command again",
        )


def start_sync(parts: Parts, lease: Lease, say: Say) -> int:
    """Give the domain its second side: fences, streams, snapshot. Bytes copied.

    May be repeated from any point where it died: what is there already is left as it is, a half snapshot is completed.
    """
    say("preflight")
    refusals = preflight(parts.plan, Act.START_SYNC, slots=outboxes.coming_slots(parts))
    if refusals:
        raise PreflightRefused(parts.domain, refusals)
    to_service, to_monolith = spec(parts, Side.SERVICE), spec(parts, Side.MONOLITH)
    say("enroll")
    install.install(to_service)
    install.install(to_monolith)
    epoch = _next_epoch(parts)
    for side, state in ((Side.MONOLITH, "owner"), (Side.SERVICE, "standby")):
        parts.sides[side].install()
        _install_sentry(parts, side)
        _enroll(parts, side, state, epoch)
    say("prepare")
    outboxes.prepare(parts)
    install.prepare_reverse(to_monolith)
    parts.journal.renew(lease)
    copied = 0

    def on_progress(progress: SnapshotProgress) -> None:
        nonlocal copied
        copied = progress.bytes
        say(progress.line)
        parts.journal.renew(lease)

    snapshot.copy(to_service, on_progress)
    say("catch-up")
    took = probe_streams(parts, CATCH_UP_SECONDS)
    if None in took.values():
        raise StreamsSilent(parts, took)
    owner = parts.sides[Side.MONOLITH].row(parts.domain)
    if owner is None:
        raise FigError(f'domain "{parts.domain}" vanished from the monolith side', f"fig advance {parts.domain}")
    parts.route(owner.epoch, Side.MONOLITH)
    parts.journal.record(parts.domain, "sync-started", owner.epoch, bytes=copied)
    parts.journal.set_stage(parts.domain, Stage.SYNC, owner.epoch)
    return copied


def stop_sync(parts: Parts, say: Say) -> None:
    """Take both streams and the fences away; the monolith goes on alone, the copied rows stay where they are."""
    owner = parts.sides[Side.MONOLITH].row(parts.domain)
    outboxes.remove(parts)
    say("streams")
    both = [spec(parts, side) for side in Side]
    for stream in both:
        # Without its position a running stream stops at its next transaction and lets go of its slot.
        with psycopg.connect(stream.target_dsn, autocommit=True) as target:
            install.forget(target, stream)
    for stream in both:
        install.remove(stream)
    say("dismiss")
    epoch = 0 if owner is None else owner.epoch + 1
    parts.journal.record(parts.domain, "sync-stopped", epoch)
    parts.journal.set_stage(parts.domain, Stage.MONOLITH, epoch)
    for side in Side:
        _patiently(parts, lambda side=side: parts.sides[side].dismiss(parts.domain, parts.plan.limits.fence_lock))  # type: ignore[misc]


def drop_crossing_keys(parts: Parts, giver: Side, say: Say) -> None:
    """Before a side stops owning: the foreign keys that the plan says to drop, each one journaled."""
    if "drop" not in parts.plan.crossing.foreign_keys.values():
        return
    for key in crossing.drop(parts.sides[giver], parts.plan, parts.plan.limits.patience):
        say(f"dropped {key.name} of {key.relation}")
        parts.journal.record(
            parts.domain, "key-dropped", side=giver, relation=key.relation, name=key.name, definition=key.definition
        )


def restore_crossing_keys(parts: Parts, owner: Side, say: Say) -> None:
    """Where a side owns again: what was dropped there comes back; rows that refer to nothing are named."""
    if "drop" not in parts.plan.crossing.foreign_keys.values():
        return
    for restored in crossing.restore(parts.sides[owner], parts.plan, parts.plan.limits.patience):
        say(str(restored))
        kind, key = ("alarm" if restored.count else "key-restored"), restored.key
        parts.journal.record(
            parts.domain, kind, side=owner, relation=key.relation, name=key.name, orphans=list(restored.orphans)
        )


def _next_epoch(parts: Parts) -> int:
    """Epochs never begin again, not even after `sync` was left: proxies and journal remember the last one."""
    known = [parts.journal.last_epoch(parts.domain)]
    for proxy in parts.proxies:
        route = proxy.routes().get(parts.domain)
        known.append(0 if route is None else route.epoch)
    return max(known) + 1


def _enroll(parts: Parts, side: Side, state: str, epoch: int) -> None:
    """A row that is there, of an attempt that died, stays as it is."""
    tables, lock = [table.quoted for table in parts.plan.lens.tables(side)], parts.plan.limits.fence_lock
    if (row := parts.sides[side].row(parts.domain)) is not None:
        state, epoch = row.state, row.epoch
    _patiently(
        parts, lambda: parts.sides[side].enroll(parts.domain, state, epoch, tables, lock, is_known=row is not None)
    )


def _patiently(parts: Parts, act: Callable[[], object]) -> None:
    """Repeat while tables are busy; each attempt holds writers up no longer than the plan's fence_lock."""
    deadline = time.monotonic() + parts.plan.limits.patience
    while True:
        try:
            act()
            return
        except TablesBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(parts.plan.limits.fence_lock)


def _install_sentry(parts: Parts, side: Side) -> None:
    """The event trigger, where the plan gives a superuser; without one the controller's watchdog has to do."""
    admin_dsn = parts.plan.sides[side].admin_dsn
    if admin_dsn:
        with psycopg.connect(admin_dsn, autocommit=True) as admin:
            admin.execute(files(__package__).joinpath("sentry.sql").read_text())
