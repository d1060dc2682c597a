"""Steering a domain's streams by hand: pause, continue, copy, leave out. `fig streams` sees it within a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cdc import control, servers
from cdc.control import Event, Phase
from cdc.copying import snapshot
from cdc.copying.refill import refill
from cdc.copying.snapshot import SnapshotProgress
from cdc.errors import CdcError
from cdc.position import parse_lsn
from cdc.target import skip
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.lifecycle import OWNER, Side
from migration_plan.parts import Parts
from migration_plan.sync.standing import Line, lines, why_halted
from migration_plan.sync.streams import spec

TAKEN_UP_WITHIN = 15.0
"""Seconds after which a copy that nobody has begun says that nobody runs `fig streams`."""
LOOK_EVERY = 0.2


class NoSuchStream(FigError):
    """The domain has no stream or publisher of that direction."""

    code = "no-such-stream"
    exit_code = Exit.NOT_MEANT


class NobodyStreams(FigError):
    """Nobody has taken up what was asked for; it stays asked for."""

    code = "streams-silent"
    exit_code = Exit.NOT_PROVEN


class CopyFailed(FigError):
    """The copy could not be made; it is tried again by itself."""

    code = "copy-failed"
    exit_code = Exit.NOT_PROVEN


def chosen(parts: Parts, direction: str | None) -> list[Line]:
    """Both streams and the publishers, or the one."""
    known = lines(parts)
    found = [line for line in known if direction in (None, line.direction)]
    if not found:
        names = ", ".join(line.direction for line in known)
        raise NoSuchStream(f'domain "{parts.domain}" has no stream "{direction}"', f"directions: {names}")
    return found


def pause(parts: Parts, which: Sequence[Line]) -> None:
    """They keep their slots, and so their sources' WAL, for as long as the budget allows."""
    for line in which:
        with servers.connect(line.source_dsn, "source", "fig-sync") as connection:
            control.pause(connection, line.name, parts.journal.actor)
    parts.journal.record(parts.domain, "stream-paused", streams=[line.name for line in which])


def go_on(parts: Parts, which: Sequence[Line]) -> None:
    """One that gave up its slot meanwhile comes back by itself."""
    for line in which:
        with servers.connect(line.source_dsn, "source", "fig-sync") as connection:
            control.go_on(connection, line.name)
    parts.journal.record(parts.domain, "stream-continued", streams=[line.name for line in which])


def copy_again(parts: Parts, direction: str | None, on_progress: Callable[[SnapshotProgress], None]) -> Line:
    """Have `fig streams` bring the stream back from its source's rows, and wait for it. It goes on without us."""
    [line] = chosen(parts, direction or f"to_{OWNER[parts.journal.stage(parts.domain)].other}")
    with servers.connect(line.source_dsn, "source", "fig-sync") as connection:
        if control.read(connection, line.name).phase is not Phase.COPYING:
            control.move(
                connection, line.name, Event.ASKED, control.ASKED, f"asked for by {parts.journal.actor}", times=0
            )
        parts.journal.record(parts.domain, "copy-asked", stream=line.name)
        asked = time.monotonic()
        while (now := control.read(connection, line.name)).phase is not Phase.RUNNING:
            if now.phase is Phase.GIVEN_UP and now.code != control.ASKED:
                raise CopyFailed(f"{line.name}: {now.reason}", f"fig sync status {parts.domain}")
            if now.paused:
                raise NobodyStreams(f"{line.name} is {why_halted(now)}", f"fig sync start {parts.domain}")
            if now.phase is Phase.GIVEN_UP and time.monotonic() - asked > TAKEN_UP_WITHIN:
                raise NobodyStreams(
                    f"nobody has begun to copy {line.name} within {TAKEN_UP_WITHIN:g} s; it stays asked for",
                    f"see that `fig streams` runs (fig status, fig logs streams); fig sync status {parts.domain}",
                )
            for progress in _progress(parts, line)[:1]:
                on_progress(progress)
            time.sleep(LOOK_EVERY)
    return line


def copy_table(parts: Parts, direction: str | None, table: str, on_progress: Callable[[SnapshotProgress], None]) -> int:
    """Copy one table's rows again while its stream runs, in this process; how many. Ctrl-C leaves whole units behind,
    and the same command goes on with the rest."""
    target = _copied_side(parts, direction)
    stream = spec(parts, target)
    known = {str(one): one for one in stream.target_tables}
    if table not in known:
        raise NoSuchStream(f'{stream.name} fills no table "{table}"', f"tables: {', '.join(known)}")
    done = refill(stream, known[table], on_progress=on_progress)
    parts.journal.record(parts.domain, "table-copied", stream=stream.name, table=table, rows=done.rows)
    return done.rows


def skip_change(parts: Parts, direction: str | None, lsn: str, change: int, why: str) -> str:
    """Have the stream leave out one change, or with 0 a whole transaction; the stream's name."""
    stream = spec(parts, _copied_side(parts, direction))
    try:
        place = parse_lsn(lsn)
    except ValueError:
        raise NoSuchStream(f'"{lsn}" is no LSN', "read it from the stream's last error: fig sync status") from None
    skip.ask(stream, place, change, parts.journal.actor, why)
    parts.journal.record(parts.domain, "change-skipped", stream=stream.name, lsn=lsn, change=change, why=why)
    return stream.name


def _copied_side(parts: Parts, direction: str | None) -> Side:
    """Where a stream brings rows: the one that is named, or the one that has them to bring now."""
    wanted = direction or f"to_{OWNER[parts.journal.stage(parts.domain)].other}"
    for side in Side:
        if wanted == f"to_{side}":
            return side
    raise NoSuchStream(f'"{wanted}" is no stream of rows', "directions: to_service, to_monolith")


def _progress(parts: Parts, line: Line) -> Sequence[SnapshotProgress]:
    """What the target says of it; a target that is away says nothing."""
    try:
        with servers.connect(parts.plan.sides[line.source.other].dsn, "target", "fig-sync") as target:
            return snapshot.read(target, line.name)
    except CdcError:
        return ()
