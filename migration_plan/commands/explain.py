"""`fig help`: tables of the code, for people."""

from __future__ import annotations

import click

from migration_plan.command_help import ListedGroup


@click.command("exit-codes")
def exit_codes() -> None:
    """How commands end, and what each number means.

    \b
    Example:
      fig help exit-codes
    """
    from migration_plan.exit_codes import as_text

    click.echo(as_text())


@click.command("life")
def life() -> None:
    """The stages of a domain, and what leads from one to another.

    \b
    Example:
      fig help life
    """
    from migration_plan.lifecycle import diagram

    click.echo(diagram())


help_group = ListedGroup("help", commands=[exit_codes, life], help="Tables: exit codes, a domain's life.")
