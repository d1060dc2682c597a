"""Where a domain is and how it got on: what `fig status DOMAIN` and `fig plan show DOMAIN` print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from migration_plan.exit_codes import Exit
from migration_plan.journal.access import Role
from migration_plan.terminal import show_gates

if TYPE_CHECKING:
    from migration_plan.moving.domain_status import Standing


def show_domains(domains: Sequence[str], as_json: bool) -> None:
    """Each domain's standing; ends with NOT_WELL when a switch of one of them is not settled."""
    from migration_plan import bootstrap
    from migration_plan.moving.domain_status import standing

    bootstrap.demand(Role.VIEWER, "fig status DOMAIN")
    found = []
    for domain in domains:
        with bootstrap.opened(domain) as mover:
            found.append(standing(mover.parts))
    if as_json:
        steps = [step for one in found for step in one.next_steps]
        click.echo(json.dumps({"domains": [one.as_json() for one in found], "next_steps": steps}))
    else:
        for one in found:
            show_standing(one)
    if not all(one.is_settled for one in found):
        raise SystemExit(Exit.NOT_WELL)


def show_standing(one: Standing) -> None:
    """Path, owner, gates, and what to type."""
    click.secho(f"{one.domain}: {one.path}", bold=True)
    rows = ", ".join(f"{side} {row}" for side, row in one.rows.items())
    click.echo(f"  owner {one.owner}, epoch {one.epoch} ({rows})")
    if one.unsettled:
        click.secho(f"  {one.unsettled}", fg="red")
    show_gates(one.gates)
    if one.trouble:
        click.secho(f"  the gates cannot be told: {one.trouble}", fg="red")
    click.echo("  next: " + "; ".join(one.next_steps))
