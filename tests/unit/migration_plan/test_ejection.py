"""What is against taking the toolkit out, from what was found."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from migration_plan.ejecting.ejection import judge
from migration_plan.ejecting.traces import Found, Place, Trace
from migration_plan.lifecycle import Side, Stage

MONOLITH = Place("shop (monolith)", "dbname=shop", "", Side.MONOLITH)


def found(**more: tuple[object, ...]) -> Found:
    nothing: dict[str, tuple[object, ...]] = {"traces": (), "sessions": (), "strangers": (), "dropped_keys": ()}
    return Found(MONOLITH, **{**nothing, **more})  # type: ignore[arg-type]


def trace(kind: str) -> Trace:
    return Trace(MONOLITH.name, kind, "a name", "a statement")


@pytest.mark.parametrize(
    ("stages", "outboxes", "looked_at", "reasons"),
    [
        ({"catalog": Stage.MONOLITH}, ["catalog"], found(traces=(trace("schema"), trace("trigger"))), []),
        ({"catalog": Stage.RETIRED}, [], found(traces=(trace("schema"),)), []),
        *(({"catalog": stage}, [], found(), ["moving"]) for stage in (Stage.SYNC, Stage.SERVICE)),
        ({"catalog": Stage.RETIRED}, ["catalog"], found(), ["publishes"]),
        ({"catalog": Stage.RETIRED}, [], found(traces=(trace("trigger"),)), ["fenced"]),
        ({"catalog": Stage.MONOLITH}, [], found(sessions=("fig-stream catalog_to_service",)), ["running"]),
        ({"catalog": Stage.MONOLITH}, [], found(strangers=("view report",)), ["depended-on"]),
        ({"catalog": Stage.MONOLITH}, [], found(dropped_keys=("a_key of orders",)), ["keys-away"]),
        ({"catalog": Stage.MONOLITH}, [], found(missing_indexes=("a_pkey of public.a",)), ["indexes-away"]),
        ({"catalog": Stage.MONOLITH}, [], found(traces=(trace("event trigger"),)), ["superuser"]),
        ({"catalog": Stage.SYNC, "users": Stage.SERVICE}, [], found(sessions=("x",)), ["moving", "moving", "running"]),
    ],
)
def test_every_reason_against_it_is_named(
    stages: Mapping[str, Stage], outboxes: list[str], looked_at: Found, reasons: list[str]
) -> None:
    assert [refusal.code for refusal in judge(dict(stages), outboxes, [looked_at])] == reasons
