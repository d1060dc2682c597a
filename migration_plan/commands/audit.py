"""The journal and who may write it: history, its verification, tokens, the journal's role."""

from __future__ import annotations

import json

import click
from psycopg import sql
from rich.console import Console
from rich.table import Table

from migration_plan.command_help import ListedGroup
from migration_plan.exit_codes import Exit
from migration_plan.terminal import json_option


@click.command()
@click.argument("domain", required=False)
@click.option("-n", "--last", default=50, show_default=True, help="How many of the newest lines.")
@click.option("--verify", is_flag=True, help="Look whether the journal was changed behind fig's back; all of it.")
@json_option
def history(domain: str | None, last: int, verify: bool, as_json: bool) -> None:
    """Show the journal of DOMAIN, or of all: who meant what, when, from where, why, and what came of it.

    With --verify: exit code 15 when an entry was edited, deleted or put in; each one is named.

    \b
    Examples:
      fig history catalog -n 20
      fig history --verify
    """
    if verify:
        _verify(as_json)
        return
    from migration_plan import bootstrap

    with bootstrap.journal() as journal:
        entries = journal.entries(domain, last)
    follow = [f"fig status {domain}" if domain else "fig history --verify"]
    if as_json:
        shown = [entry.as_json() for entry in entries]
        click.echo(json.dumps({"domain": domain, "entries": shown, "next_steps": follow}))
        return
    for entry in entries:
        detail = " ".join(f"{key}={value}" for key, value in entry.detail.items() if value not in (None, [], ""))
        about = "" if domain else f"{entry.domain:<14} "
        why = f" ({entry.reason})" if entry.reason else ""
        when = f"{entry.at:%Y-%m-%d %H:%M:%S.%f}"
        click.echo(f"{when}  {about}epoch {entry.epoch or '-':<4} {entry.kind:<13} {entry.actor}{why} {detail}")


def _verify(as_json: bool) -> None:
    from migration_plan import bootstrap
    from migration_plan.journal.chain import verify_chain

    with bootstrap.journal() as journal:
        found = verify_chain(journal)
    if as_json:
        follow = ["ask whoever may write the journal's database" if found.breaks else "fig history"]
        click.echo(json.dumps({**found.as_json(), "next_steps": follow}))
    else:
        for one in found.breaks:
            click.secho(f"  {one}", fg="red")
        said = f"{found.entries} entries, {len(found.breaks)} break(s), head {found.head}"
        click.secho(said, fg="red" if found.breaks else "green")
    if found.breaks:
        raise SystemExit(Exit.JOURNAL_CHANGED)


@click.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator", "admin"]), required=True, help="What it allows.")
@json_option
def create_token(name: str, role: str, as_json: bool) -> None:
    """Make a token and print it, this once. From the first one on, commands want one in FIG_TOKEN.

    \b
    Examples:
      fig token create ada --role admin
      fig token create pipeline --role operator
    """
    from migration_plan import bootstrap
    from migration_plan.journal import tokens
    from migration_plan.journal.access import Role

    with bootstrap.journal() as journal:
        token = tokens.create(journal, name, Role(role))
    if as_json:
        click.echo(json.dumps({"name": name, "role": role, "token": token, "next_steps": ["fig token list"]}))
    else:
        click.echo(token)
        click.echo("it is not shown again; next: export FIG_TOKEN=...", err=True)


@click.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """List all tokens with their roles, never a token itself.

    \b
    Example:
      fig token list
    """
    from migration_plan import bootstrap
    from migration_plan.journal import tokens

    with bootstrap.journal() as journal:
        found = tokens.known(journal)
    if as_json:
        follow = [] if found else ["fig token create NAME --role admin"]
        click.echo(json.dumps({"tokens": [one.as_json() for one in found], "next_steps": follow}))
        return
    table = Table("name", "role", "since", "made by", "revoked", box=None)
    for one in found:
        table.add_row(one.name, one.role, f"{one.created_at:%Y-%m-%d}", one.created_by, str(one.revoked_at or ""))
    Console().print(table)


@click.command("revoke")
@click.argument("name")
@json_option
def revoke_token(name: str, as_json: bool) -> None:
    """Revoke the token NAME; from the next command on it is none.

    \b
    Example:
      fig token revoke pipeline
    """
    from migration_plan import bootstrap
    from migration_plan.journal import tokens

    with bootstrap.journal() as journal:
        tokens.revoke(journal, name)
    if as_json:
        click.echo(json.dumps({"revoked": name, "next_steps": ["fig token list"]}))
    else:
        click.echo(f"{name} is revoked; next: fig token list")


@click.command("admit")
@click.argument("role")
@json_option
def admit_role(role: str, as_json: bool) -> None:
    """Let the database role ROLE append to the journal, and neither edit, delete nor make tokens.

    Run by the journal's owner; from then on fig.yml names ROLE in journal.dsn.

    \b
    Example:
      fig journal admit fig_operator
    """
    from migration_plan import bootstrap

    with bootstrap.journal() as journal, journal.session() as connection:
        connection.execute(sql.SQL("select fig.admit({})").format(sql.Literal(role)))
    if as_json:
        click.echo(json.dumps({"admitted": role, "next_steps": ["name the role in journal.dsn of fig.yml"]}))
    else:
        click.echo(f"{role} may append; next: name it in journal.dsn of fig.yml")


token_group = ListedGroup(
    "token", commands=[create_token, list_tokens, revoke_token], help="Who may do what: viewer, operator, admin."
)
journal_group = ListedGroup("journal", commands=[admit_role], help="The journal's own database.")
