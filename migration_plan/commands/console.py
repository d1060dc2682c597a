"""The console: run it, and a way in."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from migration_plan.command_help import ListedGroup
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.terminal import json_option


class NoConsole(FigError):
    """The environment names no console."""

    code = "no-console"
    exit_code = Exit.NOT_MEANT


@click.command("run")
def run_console() -> None:
    """Serve the console at FIG_CONSOLE_BIND until told to stop. Started by the stack file.

    \b
    Example:
      fig console run
    """
    gunicorn = str(Path(sys.executable).parent / "gunicorn")
    os.execv(gunicorn, [gunicorn, "-c", "python:migration_plan.console.served",  # noqa: S606 - no shell is meant.
                        "migration_plan.console.application:create_app()"])  # fmt: skip


@click.command("link")
@json_option
def link(as_json: bool) -> None:
    """Print an address that lets you into the console, once, within two minutes, as who you are here.

    \b
    Example:
      fig console link
    """
    from migration_plan import bootstrap
    from migration_plan.console.entry import Tickets
    from migration_plan.journal.entries import os_user

    key, url = os.environ.get("FIG_CONSOLE_KEY", ""), os.environ.get("FIG_CONSOLE_URL", "")
    if not key or not url:
        raise NoConsole("FIG_CONSOLE_KEY and FIG_CONSOLE_URL are not set", "fig up console; fig status")
    with bootstrap.journal() as journal, journal.session():
        name = journal.access.name if journal.access else ""
    address = f"{url}/login?ticket={Tickets(key).make(name, name or os_user())}"
    if as_json:
        click.echo(json.dumps({"url": address, "next_steps": ["open it within two minutes"]}))
    else:
        click.echo(address)


console_group = ListedGroup(
    "console", commands={"run": run_console, "link": link}, help="The pages: serve them, and a way in."
)
