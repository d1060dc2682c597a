"""Looking at a domain: verify, contract, history. Each parses, calls one function, prints the result."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from migration_plan.exit_codes import Exit
from migration_plan.terminal import json_option

if TYPE_CHECKING:
    pass

F = TypeVar("F", bound=Callable[..., Any])
domain_argument = click.argument("domain")


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
    from migration_plan.comparing.verification import shown, verify_domain

    with bootstrap.opened(domain, say=silent if as_json else say) as mover:
        report = shown(mover.parts, verify_domain(mover.parts, progress=None if as_json else _progress), values)
        follow = f"fig history {domain}" if report.count else f"fig advance {domain}"
        if as_json:
            click.echo(json.dumps({**report.as_json(), "next_steps": [follow]}, default=str))
        else:
            click.echo("")
            for difference in report.differences:
                click.secho(f"  {difference}", fg="red")
            click.secho(
                f"{domain}: {report.rows} rows compared in {report.seconds:.1f} s, {report.count} difference(s)",
                fg="red" if report.count else "green",
            )
            click.echo(f"next: {follow}")
        if report.count:
            raise SystemExit(Exit.DIFFERENT)


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
    from migration_plan.comparing.contract import run_contract

    with bootstrap.opened(domain, say=silent if as_json else say) as mover:
        run = run_contract(mover.parts, quiet=as_json)
        follow = f"fig {'advance' if run.exit_code == 0 else 'contract'} {domain}"
        if as_json:
            click.echo(json.dumps({"domain": domain, **run.as_json(), "next_steps": [follow]}))
        else:
            word = "keeps its contract on both sides" if run.exit_code == 0 else "breaks its contract"
            click.secho(f"{domain} {word} ({run.seconds:.1f} s)", fg="red" if run.exit_code else "green")
            click.echo(f"next: {follow}")
        if run.exit_code:
            raise SystemExit(Exit.CONTRACT_BROKEN)


def say(message: str) -> None:
    click.echo(f"  {message}")


def silent(message: str) -> None:
    """With --json nothing but the result is printed."""
    del message


def _progress(done: int, of: int) -> None:
    if sys.stdout.isatty():
        click.echo(f"\r  {done} of about {of} rows", nl=False)
