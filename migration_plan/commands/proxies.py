"""`fig proxies`: what the proxies of this machine run with."""

from __future__ import annotations

import json
import os

import click

from migration_plan.command_help import ListedGroup
from migration_plan.journal.access import Role
from migration_plan.terminal import json_option


@click.group(cls=ListedGroup)
def proxies() -> None:
    """The nginx processes that people's requests go through."""


@proxies.command("reload")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
def reload(names: tuple[str, ...], as_json: bool) -> None:
    """Put fig.yml, the plans, renewed certificates and this version's router into effect, and fail no request.

    All proxies, or those named; to be run on their machine. nginx checks first and is then asked what it does;
    live routes, holds and figures stay. Where nothing has changed nothing is done.

    \b
    Examples:
      fig proxies reload
      fig proxies reload east west
    """
    from migration_plan import bootstrap
    from migration_plan.proxies import reload_all

    bootstrap.demand(Role.OPERATOR, "fig proxies reload")
    found = reload_all(os.environ, names)
    if as_json:
        shown = {name: {domain: route.epoch for domain, route in routes.items()} for name, routes in found.items()}
        click.echo(json.dumps({"proxies": shown, "next_steps": ["fig status"]}))
        return
    for name, routes in found.items():
        click.echo(f"{name}: " + ", ".join(f"{domain} at epoch {route.epoch}" for domain, route in routes.items()))
    click.echo("next: fig status")
