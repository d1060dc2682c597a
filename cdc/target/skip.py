"""Changes that an operator wants left out: asked for by place, used exactly once, and remembered for verification.

A request is used in the transaction that moves the position past it, so that no crash uses it twice or half.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from cdc import servers
from cdc.messages import Value
from cdc.position import lsn_text, parse_lsn
from cdc.spec import StreamSpec
from cdc.stream_errors import NothingToSkip, NotSetUp

WHOLE_TRANSACTION = 0
"""In place of an ordinal, which counts from 1."""

Skips = Mapping[int, frozenset[int]]
"""Ordinals that wait to be left out, by the LSN of their transaction's commit."""


@dataclass(frozen=True)
class Request:
    """One wish to leave something out."""

    lsn: int
    """Of the commit record, as errors and `fig.skip` name it."""
    ordinal: int
    """Of the change in its transaction; WHOLE_TRANSACTION for all of them."""
    who: str
    why: str
    asked_at: datetime
    used_at: datetime | None


@dataclass(frozen=True)
class Skipped:
    """One change that was left out: what a difference between both sides may be explained by."""

    lsn: int
    ordinal: int
    relation: str
    """Of the source."""
    key: Mapping[str, str | None]
    """Columns of the source and their texts."""
    who: str
    why: str
    at: datetime


@dataclass(frozen=True)
class Omission:
    """The statement that records one skipped change; refused where nobody asked for it."""

    sql: str
    ordinal: int

    def __str__(self) -> str:
        return f"record of skipped change {self.ordinal}"


def ask(spec: StreamSpec, lsn: int, ordinal: int, who: str, why: str) -> None:
    """Leave out one change, or a whole transaction, when the stream comes to it. May be repeated.

    Errors: NothingToSkip when the stream has passed the place already or `why` says nothing; NotSetUp.
    """
    if not who.strip() or not why.strip():
        raise NothingToSkip(spec.name, "somebody has to say who wants it and why")
    with servers.connect(spec.target_dsn, "target", f"fig-skip {spec.name}") as target, target.transaction():
        found = target.execute("select lsn::text from fig.position where stream = %s for share", [spec.name]).fetchone()
        if found is None:
            raise NotSetUp(spec.name)
        if parse_lsn(str(found[0])) > lsn:
            raise NothingToSkip(spec.name, f"it is at {found[0]} and has passed {lsn_text(lsn)} already")
        target.execute(
            "insert into fig.skip (stream, lsn, ordinal, who, why) values (%s, %s::pg_lsn, %s, %s, %s)"
            " on conflict do nothing",
            [spec.name, lsn_text(lsn), ordinal, who, why],
        )


def withdraw(spec: StreamSpec, lsn: int, ordinal: int) -> bool:
    """Take a wish back that was not used yet; whether there was one."""
    with servers.connect(spec.target_dsn, "target", f"fig-skip {spec.name}") as target:
        where = "delete from fig.skip where stream = %s and lsn = %s::pg_lsn and ordinal = %s and used_at is null"
        return target.execute(where, [spec.name, lsn_text(lsn), ordinal]).rowcount == 1


def requests(target: psycopg.Connection[Any], stream: str) -> list[Request]:
    """Every wish, used or not, in the order of the source's commits."""
    rows = target.execute(
        "select lsn::text, ordinal, who, why, asked_at, used_at from fig.skip where stream = %s order by lsn, ordinal",
        [stream],
    ).fetchall()
    return [Request(parse_lsn(lsn), *rest) for lsn, *rest in rows]


def skipped(target: psycopg.Connection[Any], stream: str) -> list[Skipped]:
    """What was left out since the last snapshot, in the order of the source's commits."""
    rows = target.execute(
        "select lsn::text, ordinal, relation, key, who, why, at from fig.skipped where stream = %s"
        " order by fig.skipped.lsn, ordinal",
        [stream],
    ).fetchall()
    return [Skipped(parse_lsn(lsn), *rest) for lsn, *rest in rows]


def waiting(target: psycopg.Connection[Any], stream: str) -> Skips:
    """What a session has to leave out. An installation from before has no such table, and no wishes."""
    found: dict[int, frozenset[int]] = {}
    for wish in requests(target, stream) if _is_installed(target) else ():
        if wish.used_at is None:
            found[wish.lsn] = found.get(wish.lsn, frozenset()) | {wish.ordinal}
    return found


def _is_installed(target: psycopg.Connection[Any]) -> bool:
    known = target.execute("select to_regclass('fig.skip')").fetchone()
    return known is not None and known[0] is not None


def forget(target: psycopg.Connection[Any], stream: str) -> None:
    """A new snapshot brings what was left out."""
    if not _is_installed(target):
        return
    target.execute("delete from fig.skip where stream = %s", [stream])
    target.execute("delete from fig.skipped where stream = %s", [stream])


def omission(
    stream: str, lsn: int, ordinal: int, relation: str, names: Sequence[str], values: Iterable[Value]
) -> Omission:
    """Records that a change is left out; `names` and `values` are of its key."""
    key = {n: v.decode() if isinstance(v, bytes) else None for n, v in zip(names, values, strict=True)}
    said = ", ".join(map(_literal, (stream, lsn_text(lsn), str(ordinal), relation, json.dumps(key))))
    return Omission(f"SELECT fig.record_skipped({said})", ordinal)


def _literal(text: str) -> str:
    """An untyped literal; standard_conforming_strings is on wherever we connect."""
    return "'" + text.replace("'", "''") + "'"
