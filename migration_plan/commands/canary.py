"""A domain's canary by hand: its share, freeze, thaw, status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from migration_plan.terminal import json_option

if TYPE_CHECKING:
    from migration_plan.canary.acts import Report


@click.command()
@click.argument("domain")
@click.argument("action", type=click.Choice(["status", "freeze", "thaw"]), required=False)
@click.option("--to", "to", metavar="SHARE", help="Give this share of the users' reads to the service now, as 25%.")
@json_option
def canary(domain: str, action: str | None, to: str | None, as_json: bool) -> None:
    """Show or steer the canary of DOMAIN: which share of the users has its reads answered by the service.

    The controller takes the plan's steps by itself while all limits hold, and goes back to 0% at a breach. `freeze`
    keeps the share where it is (a breach still ends it, unless the plan says on_breach: freeze); `thaw` lets it go on.
    `--to 0%` takes all users back, and keeps it so until `thaw`.

    \b
    Examples:
      fig canary catalog
      fig canary catalog --to 25%
      fig canary catalog freeze
      fig canary catalog status --json
    """
    from migration_plan import bootstrap
    from migration_plan.canary import acts
    from migration_plan.configuration.canary_rules import share

    if to is not None and action is not None:
        raise click.UsageError("either --to SHARE or one of status, freeze, thaw")
    try:
        wanted = None if to is None else share(to)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--to") from None
    with bootstrap.opened(domain) as mover:
        if wanted is not None:
            report = acts.set_share(mover.parts, wanted)
        else:
            report = {"freeze": acts.freeze, "thaw": acts.thaw}.get(action or "", acts.status)(mover.parts)
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        _show(report)


def _show(report: Report) -> None:
    state = report.state
    click.secho(f"{state.domain}: {state.share / 100:g}% of the users' reads from the service, {state.mode}", bold=True)
    click.echo(f"  for {state.seconds:.0f} s: {state.reason}")
    click.echo(f"  now: {report.verdict.reason}")
    colours = {"good": "green", "unsure": "yellow", "bad": "red"}
    for check in report.verdict.checks:
        click.secho(f"  {check.finding:<7} {check}", fg=colours[check.finding])
    if report.silent:
        click.secho(f"  proxies that did not answer: {', '.join(report.silent)}", fg="red")
    click.echo(f"next: {'; '.join(report.next_steps)}")
