"""A domain's streams by hand: pause and continue them, look at them, copy, compare."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from migration_plan.command_help import ListedGroup
from migration_plan.commands.domain import say, silent, verify
from migration_plan.commands.sync_view import bar, show
from migration_plan.exit_codes import Exit
from migration_plan.terminal import json_option, reason_option

F = TypeVar("F", bound=Callable[..., Any])
domain_argument = click.argument("domain")
direction_option = click.option(
    "--direction", metavar="DIRECTION", help="to_service, to_monolith, outbox_monolith or outbox_service; all without."
)


@click.command("stop")
@domain_argument
@direction_option
@reason_option
@json_option
def stop_streams(domain: str, direction: str | None, reason: str, as_json: bool) -> None:
    """Pause the streams of DOMAIN. Nothing is lost: they keep their place, as long as their WAL budget allows.

    \b
    Examples:
      fig sync stop catalog
      fig sync stop catalog --direction to_monolith
    """
    from migration_plan import bootstrap
    from migration_plan.sync import steering

    with bootstrap.opened(domain, reason=reason) as mover:
        which = steering.chosen(mover.parts, direction)
        steering.pause(mover.parts, which)
    _done(domain, "paused", [line.name for line in which], f"fig sync start {domain}", as_json)


@click.command("start")
@domain_argument
@direction_option
@reason_option
@json_option
def start_streams(domain: str, direction: str | None, reason: str, as_json: bool) -> None:
    """Let the streams of DOMAIN go on. One that gave up its slot meanwhile copies again, by itself.

    \b
    Example:
      fig sync start catalog
    """
    from migration_plan import bootstrap
    from migration_plan.sync import steering

    with bootstrap.opened(domain, reason=reason) as mover:
        which = steering.chosen(mover.parts, direction)
        steering.go_on(mover.parts, which)
    _done(domain, "continued", [line.name for line in which], f"fig sync status {domain}", as_json)


@click.command("status")
@domain_argument
@json_option
def sync_status(domain: str, as_json: bool) -> None:
    """Show both streams of DOMAIN and its publishers: state, lag, rates, WAL kept and allowed, copies, last error.

    Exit code 1 when one of them does not run that should.

    \b
    Examples:
      fig sync status catalog
      fig sync status catalog --json | jq '.streams[] | {direction, state, lag_seconds}'
    """
    from migration_plan import bootstrap
    from migration_plan.sync.status import status

    with bootstrap.opened(domain) as mover:
        found = status(mover.parts, bootstrap.metrics_address())
    if as_json:
        click.echo(json.dumps(found.as_json(), default=str))
    else:
        show(found)
    if not found.is_well:
        raise SystemExit(Exit.NOT_WELL)


@click.command("snapshot")
@domain_argument
@direction_option
@click.option("--table", metavar="SCHEMA.NAME", help="Only this table of the copy, while its stream goes on.")
@reason_option
@json_option
def copy_again(domain: str, direction: str | None, table: str | None, reason: str, as_json: bool) -> None:
    """Copy the owner's rows of DOMAIN again, while people use it, and let the stream go on from there.

    This is what a stream that waits for a person needs. Rows that only the copy has are deleted: look first whether
    the owner has lost any. Ctrl-C ends the watching, not the copying; with --table the same command goes on later.

    \b
    Examples:
      fig sync snapshot catalog
      fig sync snapshot catalog --direction to_monolith
      fig sync snapshot catalog --table public.product
    """
    from migration_plan import bootstrap
    from migration_plan.sync import steering

    with bootstrap.opened(domain, reason=reason) as mover, bar(as_json) as tell:
        if table is None:
            done, what = steering.copy_again(mover.parts, direction, tell).name, "is there again"
        else:
            done, what = table, f"{steering.copy_table(mover.parts, direction, table, tell)} rows copied again"
    _done(domain, what, [done], f"fig sync verify {domain}", as_json)


@click.command("repair")
@domain_argument
@reason_option
@json_option
def repair_rows(domain: str, reason: str, as_json: bool) -> None:
    """Compare both sides of DOMAIN and copy again, from the owner, the rows that differ; each is named by its cause.

    Rows that were only on their way are left alone. Exit code 13 when something differs all the same.

    \b
    Example:
      fig sync repair catalog
    """
    from migration_plan import bootstrap
    from migration_plan.comparing.verification import hidden, repair_domain

    with bootstrap.opened(domain, reason=reason) as mover:
        done = hidden(mover.parts, repair_domain(mover.parts))
    follow = f"fig sync {'status' if done.remaining else 'verify'} {domain}"
    if as_json:
        click.echo(json.dumps({"domain": domain, **done.as_json(), "next_steps": [follow]}, default=str))
    else:
        for one in done.named:
            click.echo(f"  {one}")
        colour = "red" if done.remaining else "green"
        click.secho(f"{domain}: {done.rows} row(s) copied again, {len(done.remaining)} still differ", fg=colour)
        click.echo(f"next: {follow}")
    if done.remaining:
        raise SystemExit(Exit.DIFFERENT)


@click.command("skip")
@domain_argument
@click.argument("lsn")
@click.argument("change", type=click.IntRange(min=0))
@click.option("--why", required=True, help="For the journal, and for whoever finds the difference later.")
@direction_option
@json_option
def skip_change(domain: str, lsn: str, change: int, why: str, direction: str | None, as_json: bool) -> None:
    """Leave out the change number CHANGE of the transaction whose commit is at LSN, in front of which DOMAIN's stream
    stands; 0 leaves out all of it. Both are in the stream's last error. The next verification will name the rows.

    \b
    Examples:
      fig sync status catalog
      fig sync skip catalog 0/2F034D0 1 --why "ticket 4711: written by hand, repaired afterwards"
    """
    from migration_plan import bootstrap
    from migration_plan.sync import steering

    with bootstrap.opened(domain) as mover:
        name = steering.skip_change(mover.parts, direction, lsn, change, why)
    _done(domain, f"leaves out change {change} of {lsn}", [name], f"fig sync status {domain}", as_json)


@click.command("accept")
@domain_argument
@reason_option
@json_option
def accept_schema(domain: str, reason: str, as_json: bool) -> None:
    """The schemas of DOMAIN were migrated and its plan fits them again: let its streams go on with both.

    Restart `fig streams` first, so that it has read the plan. A table that joins the domain is fenced here, and its
    rows come with `fig sync snapshot`. Interrupted, the same command brings the rest.

    \b
    Example:
      fig sync accept catalog --reason "change 4711"
    """
    from migration_plan import bootstrap

    with bootstrap.opened(domain, silent if as_json else say, reason) as mover:
        done = mover.accept_schema()
    if as_json:
        click.echo(json.dumps(done.as_json()))
        return
    for table in done.new:
        click.echo(f"  new: {table}")
    click.secho(f"{domain}: {', '.join(done.streams)} fit both schemas", fg="green")
    click.echo(f"next: {done.next_step}")


def _done(domain: str, what: str, names: list[str], follow: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"domain": domain, "done": what, "streams": names, "next_steps": [follow]}))
    else:
        click.secho(f"{domain}: {', '.join(names)} {what}", fg="green")
        click.echo(f"next: {follow}")


sync_group = ListedGroup(
    "sync",
    commands={"start": start_streams, "stop": stop_streams, "status": sync_status, "snapshot": copy_again,
              "verify": verify, "repair": repair_rows, "skip": skip_change, "accept": accept_schema},
    help="A domain's streams: pause, continue, look, copy, compare, repair, leave out, follow a migrated schema.",
)  # fmt: skip
