"""`fig doctor`: what is unhealthy, and what to do."""

from __future__ import annotations

import json
import os

import click

from migration_plan.exit_codes import Exit
from migration_plan.terminal import json_option

_COLOURS = {"critical": "red", "warning": "yellow"}


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look at journal, both sides, proxies, streams, events, clocks, certificates and schemas of every domain; say what
    is unhealthy and what to do. Changes nothing. Exit code 1 when there is anything.

    \b
    Examples:
      fig doctor
      fig doctor --json | jq '.findings[].code'
    """
    from migration_plan import bootstrap
    from migration_plan.configuration import settings as settings_file
    from migration_plan.doctor.checks import findings
    from migration_plan.doctor.examine import examine

    domains = bootstrap.all_parts()
    try:
        found = findings(examine(domains, settings_file.load(os.environ), os.environ))
    finally:
        for parts in domains:
            parts.close()
    follow = list(dict.fromkeys(one.next_step for one in found))
    if as_json:
        said = {"healthy": not found, "findings": [one.as_json() for one in found], "next_steps": follow}
        click.echo(json.dumps(said))
    elif not found:
        names = ", ".join(parts.domain for parts in domains)
        click.secho(f"everything is healthy: {names}", fg="green")
    for one in () if as_json else found:
        where = f"{one.domain}: " if one.domain else ""
        click.secho(f"{one.severity}  {one.code}  {where}{one.what}", fg=_COLOURS[one.severity])
        click.echo(f"  next: {one.next_step}")
    if found:
        raise SystemExit(Exit.NOT_WELL)
