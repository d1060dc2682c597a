"""What proves that a monolith's side is dead, from counters alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from migration_plan.retiring.deadness import Readers, Sample, TableUse, Traffic, readers_left, signs_of_life

QUIET = Traffic(since=100.0, lost=0, requests=40)
BEFORE = Sample(
    datetime(2026, 1, 1, tzinfo=UTC), 4, "run 1", 7, {"a": QUIET, "b": QUIET},
    {"public.t": TableUse(100, 60), "public.u": TableUse(5, 5)},
)  # fmt: skip


def signs(now: Sample, verified: Mapping[str, int] | None = None) -> list[str]:
    return [refusal.code for refusal in signs_of_life(BEFORE, now, verified or {})]


def proxies(since: float = 100.0, lost: int = 0, requests: int = 40) -> Sample:
    return replace(BEFORE, proxies={"a": QUIET, "b": Traffic(since, lost, requests)})


def use(scans: int, found: int) -> Sample:
    return replace(BEFORE, tables={**BEFORE.tables, "public.t": TableUse(scans, found)})


def test_counters_that_stand_still_prove_it() -> None:
    assert signs(BEFORE) == []


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (proxies(requests=41), "requests-seen"),
        (proxies(since=200.0), "counting-began-anew"),
        (proxies(since=200.0, requests=0), "counting-began-anew"),
        (proxies(lost=1), "figures-lost"),
        (replace(BEFORE, proxies={"a": QUIET}), "counting-began-anew"),
        (replace(BEFORE, proxies={"a": QUIET, "b": QUIET, "c": QUIET}), "counting-began-anew"),
        (replace(BEFORE, server="run 2"), "counting-began-anew"),
        (replace(BEFORE, tables={"public.t": TableUse(100, 60)}), "counting-began-anew"),
        (replace(BEFORE, refused=8), "writes-seen"),
        (use(101, 60), "reads-seen"),
        (use(100, 61), "reads-unclear"),
    ],
)
def test_each_sign_of_life_has_a_name(now: Sample, code: str) -> None:
    assert signs(now) == [code]


def test_what_the_stream_and_our_verifications_read_is_taken_off() -> None:
    assert signs(use(130, 90)) == []
    assert signs(use(133, 90), {"public.t": 3}) == []
    assert signs(use(134, 90), {"public.t": 3}) == ["reads-seen"]
    assert signs(use(131, 90), {"public.u": 1}) == ["reads-seen", "reads-unclear"]


def test_a_sample_comes_back_from_the_journal_as_it_was() -> None:
    assert Sample.parse(BEFORE.at, json.loads(json.dumps(BEFORE.as_json()))) == BEFORE


def test_whoever_could_read_is_named() -> None:
    readers = Readers(('"k" of public.carts',), ("public.v",), ("f(integer)",), ("/api/payments",), ("pid 7 (cron)",))
    found = list(readers_left(readers))
    assert [refusal.code.removeprefix("read-by-") for refusal in found] == [
        "foreign-key", "view", "function", "route", "session",
    ]  # fmt: skip
    assert all(name in str(found) for name in ("carts", "public.v", "f(integer)", "/api/payments", "cron"))
    assert list(readers_left(Readers())) == []
