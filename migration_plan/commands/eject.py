"""Leaving: nothing of ours stays in anybody's database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import click

from migration_plan.terminal import json_option, reason_option

if TYPE_CHECKING:
    from migration_plan.ejecting.traces import Found, Trace
    from migration_plan.errors import Refusal
    from migration_plan.parts import Parts

_AFTERWARDS = "drop the role fig, and the journal's database once nobody asks any more"


@click.command()
@click.option("--dry-run", is_flag=True, help="Only name what would go, and what is against it.")
@reason_option
@json_option
def eject(dry_run: bool, reason: str, as_json: bool) -> None:
    """Remove every trace of fig from the databases of both sides, and say what it was.

    Refused while a domain is on its way, while somebody else is at work on one or our processes run, or where something
    else stands on what would go.
    Interrupted, the same command removes the rest and names all of it. The journal keeps its own database; roles and
    grants are whoever's gave them.

    \b
    Examples:
      fig eject --dry-run
      fig stop streams controller && fig eject --reason "the last domain is retired"
    """
    from migration_plan import bootstrap
    from migration_plan.ejecting import ejection

    with ExitStack() as opened:
        domains = [opened.enter_context(closing(parts)) for parts in bootstrap.all_parts()]
        if dry_run:
            _tell_plan(*ejection.look(domains), as_json)
        else:
            _act(domains, reason, as_json)


def _tell_plan(found: Sequence[Found], refusals: Sequence[Refusal], as_json: bool) -> None:
    from migration_plan.ejecting.ejection import EjectRefused

    traces = [trace for one in found for trace in one.traces]
    follow = list(dict.fromkeys(one.next_step for one in refusals)) or ["fig eject"]
    if as_json:
        _print_json([], traces, refusals, follow)
    else:
        for trace in traces:
            click.echo(f"  {trace}")
        for refusal in refusals:
            click.secho(f"  against it: [{refusal.code}] {refusal.message}   ({refusal.next_step})", fg="red")
        click.secho(f"{len(traces)} trace(s) would go", fg=None if refusals else "green")
        click.echo(f"next: {follow[0]}")
    if refusals:
        raise SystemExit(EjectRefused.exit_code)


def _act(domains: Sequence[Parts], reason: str, as_json: bool) -> None:
    from migration_plan.ejecting import ejection
    from migration_plan.parts import no_checkpoint

    for parts in domains:
        parts.journal.reason = reason
    removed = ejection.eject(domains, _silent if as_json else _say, no_checkpoint if as_json else _wait)
    if as_json:
        _print_json(removed, [], [], [_AFTERWARDS])
    else:
        click.secho(f"{len(removed)} trace(s) removed", fg="green")
        click.echo(f"next: {_AFTERWARDS}")


def _print_json(
    removed: Sequence[Trace], would: Sequence[Trace], refusals: Sequence[Refusal], follow: Sequence[str]
) -> None:
    said = {"removed": [trace.as_json() for trace in removed], "would_remove": [trace.as_json() for trace in would],
            "refusals": [refusal.as_json() for refusal in refusals], "next_steps": list(follow)}  # fmt: skip
    click.echo(json.dumps(said))


def _say(trace: Trace) -> None:
    click.echo(f"  removed {trace}")


def _wait(said: str) -> None:
    click.echo(said, err=True)


def _silent(trace: Trace) -> None:
    """With --json nothing but the result is printed."""
    del trace
