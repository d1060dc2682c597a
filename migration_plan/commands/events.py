"""What domains tell each other: dead letters, and outboxes that stand still."""

from __future__ import annotations

import json
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table

from migration_plan.command_help import ListedGroup
from migration_plan.terminal import json_option

domain_argument = click.argument("domain")


@click.command("list")
@domain_argument
@json_option
def list_letters(domain: str, as_json: bool) -> None:
    """List what DOMAIN's inbox could not take, the oldest first; each stays where it is.

    \b
    Example:
      fig dead-letters list notifications
    """
    from migration_plan import bootstrap
    from migration_plan.sync import dead_letters

    with bootstrap.opened(domain) as mover:
        found = dead_letters.letters(mover.parts)
    follow = (
        [f"fig dead-letters show {domain} --id {found[0].id}", f"fig dead-letters replay {domain}"] if found else []
    )
    if as_json:
        shown = [letter.as_json() for letter in found]
        click.echo(json.dumps({"domain": domain, "dead_letters": shown, "next_steps": follow}))
        return
    if not found:
        click.echo(f"{domain}: no dead letters")
        return
    table = Table("id", "type", "attempts", "reason", "dead at", box=None)
    for letter in found:
        table.add_row(letter.id, letter.type, str(letter.attempts), letter.reason, letter.dead_at)
    Console().print(table)
    click.echo("next: " + "; ".join(follow))


@click.command("show")
@domain_argument
@click.option("--id", "only", metavar="ID", help="One letter; all without it.")
@click.option("--unmasked", is_flag=True, help="Also texts, which may be personal data.")
@json_option
def show_letters(domain: str, only: str | None, unmasked: bool, as_json: bool) -> None:
    """Show dead letters of DOMAIN with their content; texts are masked.

    \b
    Example:
      fig dead-letters show notifications --id 5d3c1f0e-2f7e-5a67-9d8e-0d5f3b1c7a11
    """
    from migration_plan import bootstrap
    from migration_plan.sync import dead_letters

    with bootstrap.opened(domain) as mover:
        found = [letter for letter in dead_letters.letters(mover.parts) if only in (None, letter.id)]
        if unmasked and found:
            dead_letters.note_shown(mover.parts, found)
    if only is not None and not found:
        raise dead_letters.DeadLetterUnknown(
            f'domain "{domain}" has no dead letter "{only}"', f"fig dead-letters list {domain}"
        )
    shown = [letter.as_json(unmasked) for letter in found]
    follow = [f"fig dead-letters replay {domain}" + (f" --id {only}" if only else "")]
    if as_json:
        click.echo(json.dumps({"domain": domain, "dead_letters": shown, "next_steps": follow}))
        return
    for one in shown:
        click.echo(json.dumps(one, indent=2, ensure_ascii=False))
    click.echo("next: " + "; ".join(follow))


@click.command("replay")
@domain_argument
@click.option("--id", "only", metavar="ID", help="One letter; all without it.")
@json_option
def replay_letters(domain: str, only: str | None, as_json: bool) -> None:
    """Put dead letters of DOMAIN back into its inbox; what took effect before does not do so again.

    \b
    Example:
      fig dead-letters replay notifications
    """
    from migration_plan import bootstrap
    from migration_plan.sync import dead_letters

    with bootstrap.opened(domain) as mover:
        replayed = dead_letters.replay(mover.parts, only)
    follow = [f"fig dead-letters list {domain}"]
    if as_json:
        click.echo(json.dumps({"domain": domain, "replayed": [one.id for one in replayed], "next_steps": follow}))
        return
    click.echo(f"{domain}: {len(replayed)} dead letter(s) are in the inbox again")
    click.echo("next: " + "; ".join(follow))


@click.command("prepare")
@domain_argument
@click.option("--again", is_flag=True, help="Start over where a slot was lost: every row is published once more.")
@json_option
def prepare_outboxes(domain: str, again: bool, as_json: bool) -> None:
    """Make the slots of DOMAIN's publishers that are not there; a sync does so by itself.

    \b
    Example:
      fig outbox prepare payments --again
    """
    from migration_plan import bootstrap
    from migration_plan.sync import outboxes

    with bootstrap.opened(domain) as mover:
        made = outboxes.prepare_own(mover.parts, again)
    follow = ["fig logs streams"]
    if as_json:
        click.echo(json.dumps({"domain": domain, "publishers": made, "next_steps": follow}))
        return
    click.echo(f"{domain}: {', '.join(made) or 'no outbox'}")
    click.echo("next: " + "; ".join(follow))


@click.command("skip")
@domain_argument
@click.argument("event", type=click.UUID)
@json_option
def skip_event(domain: str, event: UUID, as_json: bool) -> None:
    """Leave an EVENT of DOMAIN's outbox out that cannot be published, for ever; the publisher goes on after it.

    \b
    Example:
      fig outbox skip payments 5d3c1f0e-2f7e-5a67-9d8e-0d5f3b1c7a11
    """
    from migration_plan import bootstrap
    from migration_plan.sync import outboxes

    with bootstrap.opened(domain) as mover:
        skipped = outboxes.skip(mover.parts, event)
    follow = [f"fig history {domain}"]
    if as_json:
        click.echo(json.dumps({"domain": domain, "skipped": str(event), "publishers": skipped, "next_steps": follow}))
        return
    click.echo(f"{domain}: {event} is left out by {', '.join(skipped) or 'nobody: no publisher has a slot'}")
    click.echo("next: " + "; ".join(follow))


dead_letters_group = ListedGroup(
    "dead-letters", commands=[list_letters, show_letters, replay_letters], help="What an inbox could not take."
)
outbox_group = ListedGroup(
    "outbox", commands=[prepare_outboxes, skip_event], help="Publishers that a person has to help."
)
