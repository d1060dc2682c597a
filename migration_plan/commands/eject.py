"""Leaving: nothing of ours stays in anybody's database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import click

from migration_plan.terminal import json_option

if TYPE_CHECKING:
    from migration_plan.ejection import Trace
    from migration_plan.errors import Refusal


@click.command()
@click.option("--dry-run", is_flag=True, help="Only name what would go, and what is against it.")
@json_option
def eject(dry_run: bool, as_json: bool) -> None:
    """Remove every trace of fig from the databases of both sides, and say what it was.

    Refused while a domain is on its way, while our processes run, or where something else stands on what would go.
    The journal keeps its own database; roles and grants are whoever's gave them.

    \b
    Examples:
      fig eject --dry-run
      fig stop streams controller && fig eject
    """
    from migration_plan import bootstrap, ejection
    from migration_plan.lifecycle import Side

    with ExitStack() as opened:
        domains = [opened.enter_context(closing(parts)) for parts in bootstrap.all_parts()]
        streams = [parts.stream_to(side) for parts in domains for side in Side]
        found = [ejection.inspect(place, streams) for place in ejection.places(domains)]
        stages = {parts.domain: parts.journal.stage(parts.domain) for parts in domains}
        refusals = ejection.judge(stages, [parts.domain for parts in domains if parts.plan.outbox], found)
        traces = [trace for one in found for trace in one.traces]
        follow = ["fig eject" if dry_run else "drop the role fig, and the journal's database once nobody asks any more"]
        if refusals and not dry_run:
            raise ejection.EjectRefused(refusals)
        if not dry_run:
            traces = []
            for one in found:
                for trace in ejection.remove(one):
                    traces.append(trace)
                    if not as_json:
                        click.echo(f"  removed {trace}")
            for parts in domains:
                parts.journal.record(parts.domain, "ejected", traces=[str(trace) for trace in traces])
    if as_json:
        said = {"removed": [] if dry_run else [trace.as_json() for trace in traces],
                "would_remove": [trace.as_json() for trace in traces] if dry_run else [],
                "refusals": [refusal.as_json() for refusal in refusals], "next_steps": follow}  # fmt: skip
        click.echo(json.dumps(said))
    else:
        _tell(traces if dry_run else [], refusals, len(traces), "would go" if dry_run else "removed")
        click.echo(f"next: {follow[0]}")
    if refusals:
        raise SystemExit(ejection.EjectRefused.exit_code)


def _tell(traces: Sequence[Trace], refusals: Sequence[Refusal], count: int, word: str) -> None:
    for trace in traces:
        click.echo(f"  {trace}")
    for refusal in refusals:
        click.secho(f"  against it: [{refusal.code}] {refusal.message}   ({refusal.next_step})", fg="red")
    click.secho(f"{count} trace(s) {word}", fg=None if refusals else "green")
