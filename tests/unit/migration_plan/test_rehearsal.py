"""What a rehearsal replays, copies, counts and calls good."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from migration_plan.lifecycle import Stage
from migration_plan.rehearsal import place
from migration_plan.rehearsal.copying import wanted
from migration_plan.rehearsal.errors import RehearsalRefused
from migration_plan.rehearsal.performance import count_answers, only_the_switch
from migration_plan.rehearsal.report import Report, Round
from migration_plan.rehearsal.traffic import MOST, recorded

ROUND = Round("monolith", "service", 30.0, 5.0, 1, 4)
GOOD = Report("catalog", (ROUND, replace(ROUND, hold_ms=50.0)), 0, 200, 0, 0, None, 1000, 0, 12.0)


def line(**changes: object) -> str:
    return json.dumps({"method": "GET", "listener": "public", "status": 200, "path": "/a", **changes})


def test_only_answered_reads_of_the_public_are_replayed_the_newest_of_them() -> None:
    lines = [
        line(), line(method="POST"), line(listener="internal"), line(status=404), line(status=503), line(path="/b"),
        line()[:-5], "", '"no object"',
    ]  # fmt: skip
    assert recorded(lines) == ["/a", "/b"]
    assert recorded(line(path=f"/{n}") for n in range(MOST + 5))[0] == "/5"


def test_what_stands_on_our_schema_is_not_copied() -> None:
    fence = "3310; 2620 16402 TRIGGER public products a_fig_fence shop_owner"
    sentries = [f"3405; 3466 16999 EVENT TRIGGER - {name} postgres" for name in ("fig_sentry", "fig_sentry_rewrites")]
    theirs = [
        "215; 1259 16402 TABLE public products shop_owner",
        "3311; 2620 1 TRIGGER public products audit shop_owner",
    ]
    assert wanted([fence, *theirs, *sentries]) == theirs


def test_answers_are_counted_over_all_domains_and_proxies() -> None:
    one = (
        'fig_proxy_requests_total{domain="catalog",side="monolith",method="read",status="2xx"} 10\n'
        'fig_proxy_requests_total{domain="-",side="-",method="write",status="5xx"} 2\n'
        'fig_proxy_holds_total{domain="catalog"} 7\n'
    )
    assert count_answers([one, one]) == (24, 4)


def test_a_rehearsal_passes_no_stage_that_belongs_to_live_reads() -> None:
    assert only_the_switch(tuple(Stage)) == (Stage.MONOLITH, Stage.SYNC, Stage.SERVICE)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"failures": 1}, "1 request(s) failed"),
        ({"broken": 2}, "2 request(s) failed"),
        ({"differences": 3}, "3 row(s) differ"),
        ({"requests": 0}, "nobody used it"),
        ({"traffic_exit": 1}, "ended with 1"),
    ],
)
def test_what_makes_it_not_good_is_named(changes: dict[str, int], problem: str) -> None:
    assert GOOD.is_good
    assert (GOOD.hold_p50, GOOD.longest_hold) == (50.0, 50.0)
    [found] = replace(GOOD, **changes).problems  # type: ignore[arg-type]
    assert problem in found


def test_there_is_one_rehearsal_at_a_time_and_only_a_dead_ones_folder_counts_as_left_behind(
    server_folder: Path,
) -> None:
    live = {"FIG_STATE": str(server_folder / "local")}
    state = place.folder_of(live)
    assert place.left_behind(live) is None
    with place.alone("catalog", state):
        state.mkdir(exist_ok=True)
        assert place.left_behind(live) is None, "it is under way"
        with pytest.raises(RehearsalRefused, match="another rehearsal is under way"), place.alone("users", state):
            pass
    assert place.left_behind(live) == state
    assert place.removal_of(state) == f"FIG_STATE={state} fig down --wipe"
