"""Moving a domain: advance, rollback, resume, verify, history. Each parses, calls one function, prints the result."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from migration_plan.terminal import json_option

if TYPE_CHECKING:
    from migration_plan.retirement import Leftover

F = TypeVar("F", bound=Callable[..., Any])
domain_argument = click.argument("domain")
to_option = click.option("--to", "to", metavar="STAGE", help="Name the stage; refused if it cannot follow.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Print the exact steps and do nothing.")


@click.command()
@domain_argument
@to_option
@dry_run_option
@json_option
def advance(domain: str, to: str | None, dry_run: bool, as_json: bool) -> None:
    """Bring DOMAIN one stage on.

    \b
    Examples:
      fig advance catalog --dry-run     the exact steps, nothing done
      fig advance catalog --to sync     begin to copy; the monolith goes on owning
      fig advance catalog               the next stage
    """
    _move(domain, True, to, dry_run, as_json)


@click.command()
@domain_argument
@to_option
@dry_run_option
@json_option
def rollback(domain: str, to: str | None, dry_run: bool, as_json: bool) -> None:
    """Bring DOMAIN one stage back; loses nothing.

    \b
    Examples:
      fig rollback catalog --dry-run
      fig rollback catalog
    """
    _move(domain, False, to, dry_run, as_json)


def _move(domain: str, forward: bool, to: str | None, dry_run: bool, as_json: bool) -> None:
    from migration_plan import bootstrap
    from migration_plan.lifecycle import possible
    from migration_plan.moves import find_move, stage_named
    from migration_plan.steps import steps

    say = _silent if as_json else _say
    with bootstrap.opened(domain, say=say) as mover, _ctrl_c(mover.cancelled):
        stage = stage_named(to)
        if dry_run:
            planned = steps(find_move(mover.parts, forward, stage))
            if as_json:
                click.echo(json.dumps({"domain": domain, "steps": [step.as_json() for step in planned]}))
            for number, step in enumerate([] if as_json else planned):
                click.echo(f"  {number} {step.name:<10} {step.what}")
            return
        result = mover.move(forward, stage)
        follow = f"possible next: {possible(mover.parts.plan.stages, result.after)}"
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
        click.echo(follow + f"   (fig verify {domain}; fig history {domain})")


def _next(domain: str, stage: str) -> list[str]:
    if stage == "retired":
        return [f"fig history {domain}"]
    before = [f"fig verify {domain}"] if stage == "sync" else []
    return [*before, f"fig {'rollback' if stage == 'service' else 'advance'} {domain}"]


@click.command()
@domain_argument
@json_option
def resume(domain: str, as_json: bool) -> None:
    """Finish or take back whatever a dead controller left of a switch of DOMAIN.

    \b
    Example:
      fig resume catalog
    """
    from migration_plan import bootstrap, retirement
    from migration_plan.errors import JournalUnreachable
    from migration_plan.recovery import Case

    with bootstrap.opened(domain, say=_silent if as_json else _say) as mover:
        decision = mover.resume()
        try:
            left = retirement.listed(mover.parts)
        except JournalUnreachable:
            # The rows alone have decided; what can be deleted is no matter now.
            left = []
        if as_json:
            said = {"leftovers": [one.as_json() for one in left]} if left else {}
            click.echo(json.dumps({"domain": domain, "case": decision.case, "reason": decision.reason, **said,
                                   "next_steps": [f"fig history {domain}"]}))  # fmt: skip
        else:
            click.echo(f"{domain}: {decision.case}: {decision.reason}")
            _list(left)
            click.echo(f"next: fig history {domain}")
        if decision.case in (Case.WAIT_FOR_TAKER, Case.TWO_OWNERS, Case.NOBODY, Case.UNKNOWN):
            raise SystemExit(1)


@click.command()
@domain_argument
@click.option("--show-values", "values", is_flag=True, help="Show what differs, too; the journal remembers who looked.")
@json_option
def verify(domain: str, values: bool, as_json: bool) -> None:
    """Compare every row of DOMAIN on both sides, at one exact point, while people write.

    Names table, key and column of each difference, and hides the values. Exit code 13 when there is one.

    \b
    Examples:
      fig verify catalog --json
      fig verify catalog --show-values
    """
    from migration_plan import bootstrap
    from migration_plan.verification import shown, verify_domain

    with bootstrap.opened(domain, say=_silent if as_json else _say) as mover:
        report = shown(mover.parts, verify_domain(mover.parts, progress=None if as_json else _progress), values)
        if as_json:
            click.echo(json.dumps(report.as_json(), default=str))
        else:
            click.echo("")
            for difference in report.differences:
                click.secho(f"  {difference}", fg="red")
            click.secho(
                f"{domain}: {report.rows} rows compared in {report.seconds:.1f} s, {report.count} difference(s)",
                fg="red" if report.count else "green",
            )
            click.echo("next: " + (f"fig history {domain}" if report.count else f"fig advance {domain}"))
        if report.count:
            raise SystemExit(13)


@click.command()
@domain_argument
@json_option
def contract(domain: str, as_json: bool) -> None:
    """Run the contract command of DOMAIN's plan and remember what came of it: a gate of `fig advance`.

    \b
    Example:
      fig contract catalog
    """
    from migration_plan import bootstrap
    from migration_plan.contract import run_contract

    with bootstrap.opened(domain, say=_silent if as_json else _say) as mover:
        run = run_contract(mover.parts, quiet=as_json)
        follow = f"fig {'advance' if run.exit_code == 0 else 'contract'} {domain}"
        if as_json:
            click.echo(json.dumps({"domain": domain, **run.as_json(), "next_steps": [follow]}))
        else:
            word = "keeps its contract on both sides" if run.exit_code == 0 else "breaks its contract"
            click.secho(f"{domain} {word} ({run.seconds:.1f} s)", fg="red" if run.exit_code else "green")
            click.echo(f"next: {follow}")
        if run.exit_code:
            raise SystemExit(14)


@click.command()
@domain_argument
@click.option("-n", "--last", default=50, show_default=True, help="How many of the newest lines.")
@json_option
def history(domain: str, last: int, as_json: bool) -> None:
    """Show the journal of DOMAIN: who meant what, when, and what came of it.

    \b
    Example:
      fig history catalog -n 20
    """
    from migration_plan import bootstrap

    with bootstrap.opened(domain) as mover:
        entries = mover.parts.journal.entries(domain, last)
    if as_json:
        click.echo(json.dumps({"domain": domain, "entries": [entry.as_json() for entry in entries]}))
        return
    for entry in entries:
        detail = " ".join(f"{key}={value}" for key, value in entry.detail.items() if value not in (None, [], ""))
        click.echo(f"{entry.at:%Y-%m-%d %H:%M:%S.%f}  epoch {entry.epoch or '-':<4} {entry.kind:<13} {detail}")


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


def _say(message: str) -> None:
    click.echo(f"  {message}")


def _silent(message: str) -> None:
    """With --json nothing but the result is printed."""
    del message


def _progress(done: int, of: int) -> None:
    if sys.stdout.isatty():
        click.echo(f"\r  {done} of about {of} rows", nl=False)
