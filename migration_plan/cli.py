"""`fig`: parses, calls one function, prints what it returns."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from migration_plan import commands
from migration_plan.exit_codes import Exit
from migration_plan.terminal import FigGroup, guard, json_option, load_environment

if TYPE_CHECKING:
    from migration_plan.local.status import ProcessStatus

_STACK_COMMANDS = ("up", "down", "stop", "status", "logs")


@click.group(cls=FigGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="strangler-fig")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Take a live monolith apart, one domain at a time.

    Settings come from fig.yml (FIG_CONFIG) and the environment; the local stack's are found by themselves.
    What a command prints ends with the next one to type; with --json it is in next_steps.

    \b
    Examples:
      fig up                          start what the stack file names
      fig status                      every process, and where each domain is
      fig status catalog              what the catalog waits for, and the next command
      fig advance catalog --dry-run   exactly what would be done, and what is against it
    """
    if ctx.invoked_subcommand not in _STACK_COMMANDS:  # These compute the environment, or must work without it.
        load_environment()


@main.command()
@click.argument("names", nargs=-1)
@json_option
def up(names: tuple[str, ...], as_json: bool) -> None:
    """Start the local stack, or what of it does not run; return when all of it is healthy.

    With NAMES only these processes, and what they come after.

    \b
    Examples:
      fig up
      fig up nginx streams controller
      FIG_PORT_BASE=8400 FIG_STATE=var/second fig up     a second stack beside the first
    """
    from migration_plan.local.folder import locked
    from migration_plan.local.site import Place, open_site
    from migration_plan.local.status import status
    from migration_plan.local.up import up

    place = Place.of(os.environ)
    if place.moved:
        click.echo(place.moved, err=True)
    site = open_site(place, os.environ, make=True)
    with locked(site.state):
        up(site, _silent if as_json else _say, names)
    if as_json:
        click.echo(json.dumps({"state": str(site.state), "processes": [one.as_json() for one in status(site)],
                               "next_steps": ["fig status"]}))  # fmt: skip
    else:
        for one in status(site):
            if one.url and one.pid:
                _say(one.name, one.url)
        click.echo("the stack is up   (fig status, fig logs, fig down)")


@main.command()
@click.option("--wipe", is_flag=True, help="Also remove its databases, queues, logs and secrets.")
@json_option
def down(wipe: bool, as_json: bool) -> None:
    """Stop the local stack and make sure that nothing of it is left running.

    \b
    Examples:
      fig down
      fig down --wipe     the next 'fig up' begins from nothing
    """
    from migration_plan.local import down as ending
    from migration_plan.local.folder import locked
    from migration_plan.local.site import Place

    state = Place.of(os.environ).state
    with locked(state):
        ending.down(state, _silent if as_json else _say)
        if wipe:
            ending.wipe(state)
    if as_json:
        click.echo(json.dumps({"state": str(state), "wiped": wipe, "next_steps": ["fig up"]}))
    else:
        click.echo(f"nothing runs in {state}" + (", and nothing is kept" if wipe else ""))


@main.command()
@click.argument("names", nargs=-1, required=True)
@json_option
def stop(names: tuple[str, ...], as_json: bool) -> None:
    """Stop the processes NAMES of the local stack; they stay down until 'fig up'.

    \b
    Example:
      fig stop monolith monolith-jobs
    """
    from migration_plan.local import stop as ending
    from migration_plan.local.folder import locked
    from migration_plan.local.site import Place, open_site

    site = open_site(Place.of(os.environ), os.environ, make=False)
    with locked(site.state):
        ending.stop(site, names, _silent if as_json else _say)
    if as_json:
        click.echo(json.dumps({"stopped": list(names), "next_steps": ["fig up"]}))
    else:
        click.echo("next: fig status; fig up starts them again")


@main.command()
@click.argument("domains", nargs=-1, metavar="[DOMAIN]...")
@json_option
def status(domains: tuple[str, ...], as_json: bool) -> None:
    """Show every process of the local stack: pid, ports, health, uptime; the stage of every domain; and every
    stream that cannot go on; and what a dead rehearsal has left. Exit code 1 when something is not well.

    With DOMAINs: their stage, owner, epoch, gates and the next command. Exit code 1 when a switch is not settled.

    \b
    Examples:
      fig status
      fig status catalog
      fig status --json | jq '.processes[].health'
    """
    from migration_plan.commands.standing import show_domains
    from migration_plan.local.site import Place, open_site
    from migration_plan.local.status import status
    from migration_plan.moving.whereabouts import whereabouts
    from migration_plan.rehearsal.place import left_behind, removal_of
    from migration_plan.sync.troubles import troubles

    if domains:
        load_environment()
        show_domains(domains, as_json)
        return
    site = open_site(Place.of(os.environ), os.environ, make=False)
    environment = {**os.environ, **site.environment}
    found, stuck, places, left = status(site), troubles(environment), whereabouts(environment), left_behind(environment)
    well = all(one.well for one in found)
    follow = list(dict.fromkeys(f"fig sync status {one.domain}" for one in stuck))
    follow = follow or ["fig status DOMAIN" if well else "fig logs"]
    if left is not None:
        follow.append(removal_of(left))
    if as_json:
        shown = {"processes": [one.as_json() for one in found], "streams": [asdict(one) for one in stuck]}
        shown["domains"] = [place.as_json() for place in places]
        said = {"state": str(site.state), **shown, "rehearsal_left": left and str(left), "next_steps": follow}
        click.echo(json.dumps(said))
    else:
        _show_processes(found)
        width = max((len(place.domain) for place in places), default=0)
        for place in places:
            click.echo(f"{place.domain:{width}}  {place}; owner {place.owner}")
        for trouble in stuck:
            click.secho(f"stream {trouble} (it cannot go on; the others do)", fg="red")
        if left is not None:
            click.secho(f"a rehearsal has died; copies of live rows lie in {left}", fg="yellow")
        click.echo(f"next: {'; '.join(follow)}")
    if stuck or not well:
        raise SystemExit(Exit.NOT_WELL)


def _show_processes(found: Sequence[ProcessStatus]) -> None:
    table = Table("process", "pid", "ports", "health", "uptime", "page", box=None)
    for one in found:
        ports = " ".join(str(port) for port in one.ports.values())
        health = one.health if one.well else f"[red]{escape(one.health)}"
        table.add_row(one.name, str(one.pid or "-"), ports, health, f"{one.uptime} s", one.url)
    Console().print(table)


@main.command()
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is written, until Ctrl-C.")
@click.option("-n", "--lines", default=50, show_default=True, help="How many of the last lines to show of each log.")
def logs(name: str | None, follow: bool, lines: int) -> None:
    """Show the logs of the local stack: of all processes and steps, or of NAME.

    \b
    Examples:
      fig logs monolith
      fig logs -f
    """
    from migration_plan.local import logs as reading
    from migration_plan.local.site import Place

    found = reading.find(Place.of(os.environ).state, name)
    for source, line in reading.tail(found, lines):
        click.echo(f"{source}: {line}" if name is None else line)
    if follow:
        for source, line in reading.follow(found):
            click.echo(f"{source}: {line}" if name is None else line)


def _say(name: str, what: str) -> None:
    click.echo(f"  {name:<22} {what}")


def _silent(name: str, what: str) -> None:
    """With --json nothing but the result is printed."""
    del name, what


def _add_commands() -> None:
    """Every module in commands/ brings the click commands that are defined in it; those of a group come with it."""
    for module_info in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}."):
        found = [v for v in vars(importlib.import_module(module_info.name)).values() if isinstance(v, click.Command)]
        grouped = [command for group in found if isinstance(group, click.Group) for command in group.commands.values()]
        for command in found:
            if command is not main and command not in grouped:
                main.add_command(command)


_add_commands()
guard(main)
