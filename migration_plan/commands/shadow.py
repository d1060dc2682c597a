"""The shadow: run the comparer, show what it has found, begin anew."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from migration_plan.command_help import ListedGroup
from migration_plan.commands.daemons import until_stopped
from migration_plan.exit_codes import Exit
from migration_plan.terminal import json_option

if TYPE_CHECKING:
    from migration_plan.shadow.report import Report

domain_argument = click.argument("domain")


@click.command("run")
def run_comparer() -> None:
    """Compare both sides' answers for every domain in stage shadow until told to stop. Started by the stack file.

    \b
    Example:
      fig shadow run
    """
    from migration_plan import bootstrap
    from migration_plan.configuration import settings
    from migration_plan.shadow.daemon import run

    said = settings.load(os.environ)
    run(said, list(bootstrap.load_plans(said, os.environ).values()), until_stopped())


@click.command("report")
@domain_argument
@json_option
def show_report(domain: str, as_json: bool) -> None:
    """Show where DOMAIN's service answers otherwise than the monolith: by route and field, values by their shape only
    (letters are a, digits are 9); what is noise; and whether it is enough to go on. Exit code 16 when more of them
    differ than the plan allows.

    \b
    Examples:
      fig shadow report catalog
      fig shadow report catalog --json | jq '.differences[] | {route, path, share}'
    """
    from migration_plan import bootstrap
    from migration_plan.shadow.report import report

    with bootstrap.opened(domain) as mover:
        found = report(mover.parts)
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        _show(found)
    if found.differs:
        raise SystemExit(Exit.SHADOW_DIFFERS)


@click.command("reset")
@domain_argument
@click.option("--reason", required=True, help="For the journal: what has changed.")
@json_option
def reset(domain: str, reason: str, as_json: bool) -> None:
    """Throw away what was found of DOMAIN, because its service or its plan is another one now, and begin anew.

    \b
    Example:
      fig shadow reset catalog --reason "prices have two decimals again"
    """
    from contextlib import closing

    from migration_plan import bootstrap
    from migration_plan.shadow.store import ShadowStore

    with bootstrap.opened(domain, reason=reason) as mover:
        journal = mover.parts.journal
        journal.record(domain, "shadow-reset")
        with closing(ShadowStore(journal.dsn)) as store:
            store.forget(domain)
    if as_json:
        click.echo(json.dumps({"domain": domain, "done": "reset", "next_steps": [f"fig shadow report {domain}"]}))
    else:
        click.echo(f"{domain}: comparing begins anew\nnext: fig shadow report {domain}")


def _show(found: Report) -> None:
    table = Table("route", "compared", "differ", "at most (95 %)", "lag", "verdict", box=None)
    for one in found.verdicts:
        table.add_row(
            one.route, str(one.seen.compared), str(one.mismatches), f"{one.upper:.2%}",
            str(one.seen.healed + one.seen.lagging), one.why or "good",
        )  # fmt: skip
    Console().print(table)
    for line in found.lines:
        click.secho(f"  {line.route}  {line.path}: {line.count} ({line.share:.1%}),"
                    f" {line.first_at:%Y-%m-%d %H:%M:%S} to {line.last_at:%Y-%m-%d %H:%M:%S}", fg="red")  # fmt: skip
        if line.example:
            click.echo(f"    monolith {line.example.monolith}")
            click.echo(f"    service  {line.example.service}   (request {line.example.request_id})")
    for route, path, raw, noise in found.noise:
        click.echo(f"  noise: {route}  {path}: the monolith differs from itself {noise} times, the service {raw}")
    if found.dropped:
        click.echo(
            "  not compared: " + ", ".join(f"{reason} {count}" for reason, count in sorted(found.dropped.items()))
        )
    click.echo("next: " + "; ".join(found.next_steps))


shadow_group = ListedGroup(
    "shadow",
    commands={"run": run_comparer, "report": show_report, "reset": reset},
    help="Compare what both sides answer, unseen by users: run, report, begin anew.",
)
