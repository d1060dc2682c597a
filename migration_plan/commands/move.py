"""Moving a domain: advance, rollback, resume. Each parses, calls one function, prints the result."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from migration_plan.commands.domain import domain_argument, say, silent
from migration_plan.exit_codes import Exit
from migration_plan.terminal import json_option, reason_option, show_gates

if TYPE_CHECKING:
    from migration_plan.lifecycle import Stage
    from migration_plan.moving.dry_run import DryRun
    from migration_plan.moving.moves import Mover
    from migration_plan.retiring.retirement import Leftover

to_option = click.option("--to", "to", metavar="STAGE", help="Name the stage; refused if it cannot follow.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Print steps, positions, gates, refusals; do nothing.")
force_option = click.option(
    "--force", default="", metavar="REASON", help="In an emergency: pass the gates that can be forced. Journaled."
)


@click.command()
@domain_argument
@to_option
@dry_run_option
@force_option
@reason_option
@json_option
def advance(domain: str, to: str | None, dry_run: bool, force: str, reason: str, as_json: bool) -> None:
    """Bring DOMAIN one stage on.

    \b
    Examples:
      fig advance catalog --dry-run     the exact steps, nothing done
      fig advance catalog --to sync     begin to copy; the monolith goes on owning
      fig advance catalog               the next stage
      fig advance catalog --reason "change 4711"
    """
    _move(domain, True, to, dry_run, force, reason, as_json)


@click.command()
@domain_argument
@to_option
@dry_run_option
@force_option
@reason_option
@json_option
def rollback(domain: str, to: str | None, dry_run: bool, force: str, reason: str, as_json: bool) -> None:
    """Bring DOMAIN one stage back; loses nothing, and says before it acts how long writes will wait.

    \b
    Examples:
      fig rollback catalog --dry-run
      fig rollback catalog --force "the service is down" --reason "incident 12"
      fig rollback catalog
    """
    _move(domain, False, to, dry_run, force, reason, as_json)


def _move(domain: str, forward: bool, to: str | None, dry_run: bool, force: str, reason: str, as_json: bool) -> None:
    from migration_plan import bootstrap
    from migration_plan.moving.moves import stage_named

    with bootstrap.opened(domain, silent if as_json else say, reason) as mover, _ctrl_c(mover.cancelled):
        stage = stage_named(to)
        if dry_run:
            _dry_run(mover, forward, stage, force, as_json)
        else:
            _act(mover, forward, stage, force, as_json)


def _dry_run(mover: Mover, forward: bool, to: Stage | None, force: str, as_json: bool) -> None:
    from migration_plan.moving.dry_run import dry_run

    found = dry_run(mover.parts, forward, to, force)
    if as_json:
        click.echo(json.dumps(found.as_json(), default=str))
    else:
        _show(found)
    if found.judgement.refusals:
        raise SystemExit(Exit.REFUSED)


def _show(found: DryRun) -> None:
    click.echo(f"{found.move.plan.domain}: {found.move.now} -> {found.move.after} ({found.move.act})")
    for number, step in enumerate(found.steps):
        click.echo(f"  {number} {step.name:<10} {step.what}")
    for line in found.positions:
        click.echo(f"  {line.direction}: {line.state}, source at {line.source_lsn or '-'}, applied"
                   f" {line.applied_lsn or '-'}, {line.lag_bytes or 0} bytes behind")  # fmt: skip
    show_gates(found.judgement.gates)
    for gate in found.judgement.overridden:
        click.secho(f"  {gate.name} would be forced", fg="yellow")
    if found.forecast is not None:
        click.echo(f"  rollback, {found.forecast}")
    for reason in found.judgement.refusals:
        click.secho(f"  refused: [{reason.code}] {reason.message}", fg="red")
    click.echo("next: " + "; ".join(found.next_steps))


def _act(mover: Mover, forward: bool, to: Stage | None, force: str, as_json: bool) -> None:
    from migration_plan.lifecycle import possible

    domain = mover.parts.domain
    result = mover.move(forward, to, force)
    if as_json:
        click.echo(json.dumps({**result.as_json(), "next_steps": _next(domain, result.after)}))
        return
    click.secho(f"{domain} is in stage {result.after}", fg="green")
    if result.switch is not None:
        done = result.switch
        click.echo(
            f"  {done.giver} -> {done.taker} at epoch {done.epoch}: {done.held} requests held,"
            f" hold {done.hold_ms:.0f} ms, drain {done.drain_ms:.0f} ms, attempts {done.attempts}"
        )
    if result.bytes_copied is not None:
        click.echo(f"  {result.bytes_copied:,} bytes copied")
    _list(result.leftovers)
    follow = possible(mover.parts.plan.stages, result.after)
    click.echo(f"possible next: {follow}   (fig verify {domain}; fig history {domain})")


def _next(domain: str, stage: str) -> list[str]:
    if stage == "retired":
        return [f"fig history {domain}"]
    before = [f"fig verify {domain}"] if stage == "sync" else []
    return [*before, f"fig {'rollback' if stage == 'service' else 'advance'} {domain}"]


@click.command()
@domain_argument
@click.option("--owner", type=click.Choice(["monolith", "service"]), help="After a restore: who goes on (admin).")
@reason_option
@json_option
def resume(domain: str, owner: str | None, reason: str, as_json: bool) -> None:
    """Finish or take back whatever a dead controller left of a switch of DOMAIN.

    After a restore from backup the rows may not say who owns; then a person does, with --owner and --reason, and
    `fig sync snapshot` copies that side's rows to the other one.

    \b
    Examples:
      fig resume catalog
      fig resume catalog --owner service --reason "catalog's database restored from last night, ticket 4711"
    """
    from migration_plan import bootstrap
    from migration_plan.errors import JournalUnreachable
    from migration_plan.recovering.recovery import FOR_A_PERSON, Case
    from migration_plan.retiring import retirement

    if owner is not None:
        _adopt(domain, owner, reason, as_json)
        return
    with bootstrap.opened(domain, silent if as_json else say, reason) as mover:
        decision = mover.resume()
        follow = f"fig history {domain}"
        if decision.case in FOR_A_PERSON:
            follow = f"fig resume {domain} --owner monolith or service --reason …"
        try:
            left = retirement.listed(mover.parts)
        except JournalUnreachable:
            # The rows alone have decided; what can be deleted is no matter now.
            left = []
        if as_json:
            said = {"leftovers": [one.as_json() for one in left]} if left else {}
            click.echo(json.dumps({"domain": domain, "case": decision.case, "reason": decision.reason, **said,
                                   "next_steps": [follow]}))  # fmt: skip
        else:
            click.echo(f"{domain}: {decision.case}: {decision.reason}")
            _list(left)
            click.echo(f"next: {follow}")
        if decision.case in (Case.WAIT_FOR_TAKER, Case.TWO_OWNERS, Case.UNKNOWN, *FOR_A_PERSON):
            raise SystemExit(Exit.NOT_WELL)


def _adopt(domain: str, owner: str, reason: str, as_json: bool) -> None:
    from migration_plan import bootstrap
    from migration_plan.lifecycle import Side

    if not reason:
        raise click.UsageError("--owner needs --reason: whoever reads the journal later has to know why")
    with bootstrap.opened(domain, silent if as_json else say, reason) as mover:
        row = mover.adopt(Side(owner))
    follow = f"fig sync status {domain}"
    if as_json:
        said = {"domain": domain, "owner": owner, "epoch": row.epoch, "next_steps": [follow]}
        click.echo(json.dumps(said))
    else:
        click.secho(f"{domain}: {owner} owns at epoch {row.epoch}", fg="green")
        click.echo(f"next: {follow}   (it names each stream that waits for `fig sync snapshot`)")


@contextmanager
def _ctrl_c(cancelled: threading.Event) -> Iterator[None]:
    """The first Ctrl-C takes a switch back while that is possible; after the decision it is finished instead."""

    def cancel(*_: object) -> None:
        cancelled.set()
        click.echo("\nCtrl-C: taking it back if it is not decided yet", err=True)

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)


def _list(leftovers: Iterable[Leftover]) -> None:
    for left in leftovers:
        click.echo(f"  can be deleted: {left.kind:<12} {left.name:<40} {left.what}")
