"""Rehearsing a switch before it is done."""

from __future__ import annotations

import json
import os

import click

from migration_plan.commands.domain import domain_argument, say, silent
from migration_plan.exit_codes import Exit
from migration_plan.terminal import json_option


@click.command()
@domain_argument
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 1000), help="Each there and back.")
@json_option
def rehearse(domain: str, rounds: int, as_json: bool) -> None:
    """Switch DOMAIN there and back on throw-away copies of all databases, with traffic, and report what people felt.

    The copies live in a stack of their own, with other ports, and are gone afterwards. Live databases are only read.
    One rehearsal at a time; what one that was killed has left on disk goes with the next one. Exit code 17 when
    requests failed or rows differ.

    \b
    Examples:
      fig rehearse catalog
      fig rehearse catalog --rounds 20 --json
    """
    from migration_plan import bootstrap
    from migration_plan.rehearsal.run import rehearse as run

    with bootstrap.opened(domain) as mover:
        report = run(mover.parts, dict(os.environ), rounds, silent if as_json else say)
    follow = f"fig advance {domain} --dry-run" if report.is_good else f"fig rehearse {domain}"
    if as_json:
        click.echo(json.dumps({**report.as_json(), "next_steps": [follow]}))
    else:
        click.echo(f"{domain}: {report}")
        for problem in report.problems:
            click.secho(f"  {problem}", fg="red")
        click.secho(
            "a good rehearsal" if report.is_good else "not a good rehearsal", fg="green" if report.is_good else "red"
        )
        click.echo(f"next: {follow}")
    if not report.is_good:
        raise SystemExit(Exit.REHEARSAL_FAILED)
