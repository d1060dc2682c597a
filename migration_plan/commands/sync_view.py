"""A domain's streams as people read them: a table of how they are, and a bar of a copy that goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from cdc.copying.snapshot import SnapshotProgress
    from migration_plan.sync.status import DomainStatus, LineStatus


def show(found: DomainStatus) -> None:
    """State, lag, rates and WAL of each stream, what there is to say of it, and what to do next."""
    table = Table("stream", "state", "lag", "behind", "rows/s", "WAL kept", "of", box=None)
    for line in found.lines:
        state = f"[{'green' if line.is_well else 'red'}]{line.state}"
        rate = "-" if line.rows_per_second is None else f"{line.rows_per_second:,.0f}"
        sizes = (_bytes(line.lag_bytes), rate, _bytes(line.retained_wal), _bytes(line.wal_budget))
        table.add_row(line.direction, state, _seconds(line.lag_seconds), *sizes)
    Console().print(table)
    for line in found.lines:
        for text in _remarks(line):
            click.secho(f"  {line.direction}: {text}", fg=None if line.is_well else "red")
    age = "never verified" if found.verified_age is None else f"verified {found.verified_age:.0f} s ago"
    click.echo(f"{found.domain}: {age}" + (f", {found.differences} difference(s)" if found.differences else ""))
    click.echo("next: " + "; ".join(found.next_steps))


def _remarks(line: LineStatus) -> Iterator[str]:
    if line.reason:
        yield line.reason
    if line.snapshot is not None and not line.snapshot.is_complete:
        yield line.snapshot.line
    if line.last_alarm is not None and line.last_alarm["reason"] != line.reason:
        yield f"last alarm, {line.last_alarm['at']}: {line.last_alarm['reason']}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _bytes(value: int | None) -> str:
    return "-" if value is None else f"{value / 1024**2:,.1f} MB"


@contextmanager
def bar(as_json: bool) -> Iterator[Callable[[SnapshotProgress], None]]:
    """A bar on a terminal; nothing for programs."""
    if as_json or not sys.stdout.isatty():
        yield lambda progress: None
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()) as bars:
        task = bars.add_task("waiting to begin", total=None)
        yield lambda progress: bars.update(
            task, description=progress.line, total=progress.rows_expected, completed=progress.rows
        )
