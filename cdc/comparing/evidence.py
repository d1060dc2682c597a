"""What both databases know about rows that differ: asked before anything is repaired, because repair destroys it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import psycopg

from cdc.comparing.causes import Facts, Named, Writer, name
from cdc.comparing.difference import Difference
from cdc.comparing.view import ROW, Key, Range, View
from cdc.copying import image
from cdc.copying.snapshot_plan import Pair, pairs
from cdc.copying.snapshot_record import INITIAL
from cdc.position import lsn_text
from cdc.projection import Direction, Projection, Table
from cdc.spec import StreamSpec
from cdc.target import skip

Connection = psycopg.Connection[Any]
Place: TypeAlias = tuple[int, Key]
"""(the stream's filling, key) of a row."""


class Spot(NamedTuple):
    """Where a difference is on the stream's target."""

    place: Place
    columns: frozenset[str]
    """The target's columns that differ; none where the row is missing or surplus."""


_COPIED = f"exists (select from fig.snapshot_writer w where w.stream = {{stream}} and w.xid::xid = {ROW}.xmin)"
_WRITER = f"""
    (select case
        when {_COPIED} then 'copy'
        when c.timestamp is null then 'unknown'
        when exists (select from pg_catalog.pg_replication_origin o where o.roident = c.roident
                     and (o.roname = {{origin}} or starts_with(o.roname, {{origin}} || '_copy'))) then 'stream'
        when not has_function_privilege('pg_replication_origin_session_setup(text)', 'EXECUTE') then 'unknown'
        else 'other' end || ' ' || coalesce(date_trunc('second', c.timestamp)::text, '')
     from pg_catalog.pg_xact_commit_timestamp_origin({ROW}.xmin) c)
"""  # noqa: S608  Names are literals.
_WRITER_UNKNOWN = f"case when {_COPIED} then 'copy ' else 'unknown ' end"
_WRITERS = {"copy": Writer.COPY, "stream": Writer.STREAM, "other": Writer.OTHER, "unknown": Writer.UNKNOWN}
_BY_INDEX = "set local enable_seqscan = off; set local enable_indexscan = on; set local enable_bitmapscan = on"
_BY_TABLE = (
    "set local enable_seqscan = on; set local enable_indexscan = off; set local enable_indexonlyscan = off;"
    " set local enable_bitmapscan = off"
)


def placed(
    spec: StreamSpec, projections: Sequence[Projection], direction: Direction, differences: Iterable[Difference]
) -> dict[Difference, Spot]:
    """The row of the stream's target in which each difference is. `projections` are those TO_SERVICE, in whose
    image differences are named."""
    fillings = image.fillings(spec.projections)
    found = {}
    for difference in differences:
        named = dict(difference.key)
        seen = next(
            p for p in projections
            if p.target == difference.table and all(named.get(column) == label for column, label in p.pinned)
        )  # fmt: skip
        forward = direction is Direction.TO_SERVICE
        row = {(t if forward else s): named[t] for s, t in seen.key}
        table, labels = (seen.target, seen.pinned) if forward else (seen.source, ())
        number, filling = next(
            (n, f) for n, f in enumerate(fillings) if f.target == table and (not forward or f.pinned == labels)
        )
        made_of = {c.target: frozenset([c.target] if forward else c.sources) for c in seen.columns}
        columns = made_of.get(difference.column or "", frozenset())
        found[difference] = Spot((number, tuple(row[target] for _, target in filling.primary.key)), columns)
    return found


def named(
    spec: StreamSpec,
    source: Connection,
    target: Connection,
    places: Mapping[Difference, Spot],
    still: Iterable[Difference],
) -> tuple[Named, ...]:
    """Each difference by its cause. `source` and `target` are an exact pair, at which `still` was found again."""
    again = {difference.place for difference in still}
    known = pairs(image.fillings(spec.projections), source, target)
    rows: dict[int, dict[Key, None]] = {}
    for (number, key), _columns in places.values():
        rows.setdefault(number, {})[key] = None
    writers: dict[Place, tuple[Writer, str | None]] = {}
    written: dict[Place, bool | None] = {}
    agree: dict[int, bool] = {}
    seen = _copied_at(target, spec.name)
    for number, keys in rows.items():
        pair, within = known[number], Range(keys=tuple(keys))
        if not pair.source.key:  # Nothing tells its rows apart: nothing is known of one of them.
            agree[number] = True
            continue
        writers |= {(number, key): who for key, who in _writers(spec, target, pair, within).items()}
        written |= {(number, key): is_new for key, is_new in _written(source, pair, within, seen).items()}
        agree[number] = all(_agree(*side, within) for side in ((source, pair.source), (target, pair.target)))
    changed = _changed_columns(spec, target)
    left_out = _left_out(spec, target)
    made = []
    for difference, (place, columns) in places.items():
        writer, at = writers.get(place, (Writer.NOBODY, None))
        lens = bool(columns & changed.get(known[place[0]].filling.target, set()))
        facts = Facts(
            difference.place in again, writer, at, written.get(place), lens, agree[place[0]], left_out.get(place)
        )
        made.append(name(difference, facts))
    return tuple(made)


def _writers(spec: StreamSpec, target: Connection, pair: Pair, within: Range) -> dict[Key, tuple[Writer, str | None]]:
    keeps = target.execute("select current_setting('track_commit_timestamp') = 'on'").fetchone()
    names = {"stream": _literal(spec.name), "origin": _literal(spec.origin)}
    query = (_WRITER if keeps and keeps[0] else _WRITER_UNKNOWN).format(**names)
    made = {}
    for *key, said in _rows(target, pair.target.keyed(query, within), within):
        who, at = said.split(" ", 1)
        made[tuple(key)] = _WRITERS[who], at or None
    return made


def _left_out(spec: StreamSpec, target: Connection) -> dict[Place, str]:
    """The last skipped change of each row."""
    fillings = image.fillings(spec.projections)
    found = {}
    for one in skip.skipped(target, spec.name):
        said = f"change {one.ordinal} of the transaction at {lsn_text(one.lsn)} was left out by {one.who}: {one.why}"
        for number, filling in enumerate(fillings):
            keys = [source for source, _target in filling.primary.key]
            if str(filling.primary.source) == one.relation and one.key.keys() >= set(keys):
                found[number, tuple(one.key[key] or "" for key in keys)] = said
    return found


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _copied_at(target: Connection, stream: str) -> tuple[int, int, frozenset[int]] | None:
    """(xmin, xmax, in progress) of what the first copy saw of the source."""
    row = target.execute(
        "select source_snapshot from fig.snapshot where stream = %s and task = %s", [stream, INITIAL]
    ).fetchone()
    if row is None or row[0] is None:
        return None
    xmin, xmax, running = row[0].split(":")
    return int(xmin), int(xmax), frozenset(int(xid) for xid in running.split(",") if xid)


def _written(
    source: Connection, pair: Pair, within: Range, seen: tuple[int, int, frozenset[int]] | None
) -> dict[Key, bool | None]:
    """Whether each source row, its parts included, was written since what the copy saw."""
    aliases = [ROW, *(f"p{number}" for number in range(len(pair.filling.parts)))]
    writers = f"array[{', '.join(f'{alias}.xmin::text' for alias in aliases)}]"
    row = source.execute("select pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    now = int(row[0]) if row else 0
    found = _rows(source, pair.source.keyed(writers, within), within)
    return {tuple(key): None if seen is None else any(_is_new(x, seen, now) for x in xids if x) for *key, xids in found}


def _is_new(xid: str, seen: tuple[int, int, frozenset[int]], now: int) -> bool:
    """Rows keep 32 bits of a transaction's number; the newest one that fits is meant."""
    full = (now & ~0xFFFFFFFF) | int(xid)
    full -= (1 << 32) if full > now else 0
    xmin, xmax, running = seen
    return not (full < xmin or (full < xmax and full not in running))


def _agree(connection: Connection, view: View, within: Range) -> bool:
    """A look by index and a look through the table."""
    looks = []
    for how in (_BY_INDEX, _BY_TABLE):
        connection.execute(how)
        looks.append(sorted(map(tuple, _rows(connection, view.hashes(within), within))))
    connection.execute(
        "set local enable_seqscan = on; set local enable_indexscan = on; set local enable_bitmapscan = on"
    )
    return looks[0] == looks[1]


def _changed_columns(spec: StreamSpec, target: Connection) -> dict[Table, set[str]]:
    """Target table → columns whose lens is another one than when it was copied last."""
    now = image.lens_of(spec.projections)
    rows = target.execute(
        "select lens from fig.snapshot where stream = %s and lens is not null order by completed_at", [spec.name]
    ).fetchall()
    then: dict[str, Any] = {}
    for (lens,) in rows:
        then |= lens
    return {
        Table.parse(table): {
            column.split(" [")[0]
            for column in columns.keys() | then[table].keys()
            if columns.get(column) != then[table].get(column)
        }
        for table, columns in now.items()
        if table in then
    }


def _rows(connection: Connection, query: str, within: Range) -> list[Any]:
    return connection.execute(query.encode(), within.parameters, prepare=False).fetchall()
