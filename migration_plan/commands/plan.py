"""Looking at plans."""

from __future__ import annotations

import json

import click

from migration_plan.command_help import ListedGroup
from migration_plan.terminal import json_option


def _check() -> click.Command:
    @click.command("check")
    @click.argument("domain")
    @json_option
    def check(domain: str, as_json: bool) -> None:
        """Check DOMAIN's plan against both databases; every reason against it at once, nothing changed.

        \b
        Example:
          fig plan check catalog
        """
        from migration_plan import bootstrap
        from migration_plan.errors import PreflightRefused
        from migration_plan.lifecycle import Act
        from migration_plan.preflight import inspect, judge, notes
        from migration_plan.sync import outboxes

        with bootstrap.opened(domain) as mover:
            plan = mover.parts.plan
            inspection = inspect(plan, outboxes.coming_slots(mover.parts))
        refusals = judge(plan, Act.START_SYNC, inspection)
        if refusals:
            raise PreflightRefused(domain, refusals)
        if as_json:
            click.echo(json.dumps({"domain": domain, "refusals": [], "notes": notes(inspection, plan),
                                   "next_steps": [f"fig advance {domain} --dry-run"]}))  # fmt: skip
            return
        for note in notes(inspection, plan):
            click.echo(f"  {note}")
        click.secho(f"{domain}: nothing against it", fg="green")
        click.echo(f"next: fig advance {domain} --dry-run")

    return check


def _show() -> click.Command:
    @click.command("show")
    @click.argument("domain")
    @json_option
    def show(domain: str, as_json: bool) -> None:
        """Show DOMAIN's plan: its way through the stages and where it is, its gates, tables, routes and writers.

        \b
        Examples:
          fig plan show catalog
          fig plan show catalog --json | jq .gates
        """
        from migration_plan import bootstrap
        from migration_plan.commands.standing import show_standing
        from migration_plan.lifecycle import diagram
        from migration_plan.moving.domain_status import standing
        from migration_plan.preflight.plan_view import view

        with bootstrap.opened(domain) as mover:
            where, seen = standing(mover.parts), view(mover.parts.plan)
        if as_json:
            click.echo(json.dumps({**where.as_json(), **seen.as_json()}))
            return
        show_standing(where)
        for title, lines in seen.sections:
            click.echo(f"  {title}:")
            for line in lines or ("none",):
                click.echo(f"    {line}")
        click.echo("  every life:")
        for line in diagram().splitlines():
            click.echo(f"    {line}")

    return show


plan = ListedGroup("plan", commands=[_check(), _show()], help="Look at a domain's plan.")
