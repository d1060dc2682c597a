"""A domain goes through its whole life, and back from every stage; gates keep it, and say what they want."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import psycopg
import pytest
import yaml

from migration_plan.errors import PreflightRefused, SwitchAborted
from migration_plan.lifecycle import Act, Side, Stage
from migration_plan.moving import moves
from migration_plan.moving.dry_run import dry_run
from migration_plan.moving.forecast import Cost, Forecast
from migration_plan.moving.judgement import Judgement
from migration_plan.moving.steps import Move
from migration_plan.parts import Parts, read_rows
from migration_plan.recovering.controller import Controller, Watch
from migration_plan.sync import preparation, steering
from tests.integration.plan.conftest import World
from tests.support.waiting import wait_until


class Died(Exception):
    """A controller ends here, as by kill -9."""


def kinds(world: World, last: int = 50) -> list[str]:
    with world.parts() as parts:
        return [entry.kind for entry in parts.journal.entries("parcels", last)]


def impatient(parts: Parts) -> Parts:
    """With a plan for which every verification is too old."""
    gates = parts.plan.gates.model_copy(update={"verification_age": 0.0})
    return replace(parts, plan=parts.plan.model_copy(update={"gates": gates}))


def test_the_way_forward_begins_and_ends_what_runs_beside_each_stage(world: World) -> None:
    world.bring_to(Stage.SYNC)
    world.verify()
    with world.mover() as mover:
        for after in (Stage.SHADOW, Stage.CANARY, Stage.SERVICE):
            assert mover.move(forward=True).after is after
    assert world.works.asked == ["begin shadow", "end shadow", "begin canary", "end canary"]


def test_a_rolled_back_service_is_shown_to_nobody(world: World) -> None:
    world.bring_to(Stage.SERVICE)
    with world.mover() as mover:
        assert mover.move(forward=False).after is Stage.SYNC
        assert mover.parts.proxies[0].routes()["parcels"].owner == "monolith"
    assert "begin canary" not in world.works.asked


@pytest.mark.parametrize(("to", "asked"), [(None, ["end canary", "begin shadow"]), (Stage.SYNC, ["end canary"])])
def test_a_canary_is_left_for_shadow_or_out_of_everybodys_sight(world: World, to: Stage | None, asked) -> None:
    world.bring_to(Stage.CANARY)
    with world.mover() as mover:
        mover.move(forward=False, to=to)
    assert world.works.asked == asked


def test_a_shut_gate_keeps_the_stage_and_says_figure_limit_and_that_it_can_be_forced(world: World) -> None:
    world.bring_to(Stage.SHADOW)
    world.works.shut.add(Stage.SHADOW)
    with world.mover() as mover:
        with pytest.raises(PreflightRefused, match="shadow-evidence is 7; the plan wants 1000") as refused:
            mover.move(forward=True)
        assert mover.parts.journal.stage("parcels") is Stage.SHADOW
    assert "--force REASON passes shadow-evidence" in refused.value.next_step
    assert world.works.asked == []


def test_a_forced_gate_is_journaled_with_its_figure_and_the_reason(world: World) -> None:
    world.bring_to(Stage.SHADOW)
    world.works.shut.add(Stage.SHADOW)
    with world.mover() as mover:
        assert mover.move(forward=True, force="the sale begins").after is Stage.CANARY
        entry = mover.parts.journal.last("parcels", "forced")
    assert entry is not None
    assert entry.detail["force"] == "the sale begins"
    assert [(gate["name"], gate["figure"]) for gate in entry.detail["gates"]] == [("shadow-evidence", "7")]


def test_force_passes_an_old_verification_and_no_fence(world: World) -> None:
    world.bring_to(Stage.CANARY)
    with psycopg.connect(world.dsns["monolith"]) as blocker, world.mover() as mover:
        mover.parts = impatient(mover.parts)
        blocker.execute("insert into parcel values (900, 'in a long transaction')")
        blocker.execute("select pg_sleep(1.1)")
        with pytest.raises(PreflightRefused) as refused:
            mover.move(forward=True, force="hurry")
        assert [one.code for one in refused.value.refusals] == ["long-transaction"]
        assert read_rows(mover.parts)[Side.MONOLITH].state == "owner"  # type: ignore[union-attr]
        blocker.rollback()
        assert mover.move(forward=True, force="hurry").after is Stage.SERVICE
        entry = mover.parts.journal.last("parcels", "forced")
    assert entry is not None
    assert [gate["name"] for gate in entry.detail["gates"]] == ["verification-age"]


@contextmanager
def a_second_proxy_that_is_gone(world: World) -> Iterator[None]:
    """The settings name it, and nothing answers there."""
    before = world.settings.read_text()
    settings = yaml.safe_load(before)
    [there] = settings["proxies"]
    gone = {**there, "name": "gone", "folder": str(world.settings.parent / "gone")}
    world.settings.write_text(yaml.safe_dump({**settings, "proxies": [there, gone]}))
    try:
        yield
    finally:
        world.settings.write_text(before)


def test_a_switch_is_forced_past_a_proxy_that_is_gone_and_the_others_follow(world: World) -> None:
    world.bring_to(Stage.SERVICE)
    with a_second_proxy_that_is_gone(world), world.mover() as mover:
        with pytest.raises(PreflightRefused) as refused:
            mover.move(forward=False)
        assert [one.code for one in refused.value.refusals] == ["proxy-silent"]
        assert "--force REASON passes proxies" in refused.value.next_step
        done = mover.move(forward=False, force="its machine is gone")
        assert done.switch is not None
        assert (done.after, mover.parts.proxies[0].routes()["parcels"].owner) == (Stage.SYNC, "monolith")
        entry = mover.parts.journal.last("parcels", "forced")
    assert entry is not None
    assert [gate["figure"] for gate in entry.detail["gates"]] == ["1 of 2 answer"]


def test_where_no_proxy_answers_any_more_a_forced_switch_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one went between the gates and the hold: nobody would hold what the fence refuses."""
    world.bring_to(Stage.CANARY)
    world.verify()
    forecast = moves.forecast_of
    with a_second_proxy_that_is_gone(world), world.mover() as mover:
        live, gone = mover.parts.proxies

        def lose_the_last(parts: Parts, move: Move, judgement: Judgement) -> Forecast | None:
            live.socket_path = gone.socket_path
            return forecast(parts, move, judgement)

        monkeypatch.setattr(moves, "forecast_of", lose_the_last)
        with pytest.raises(SwitchAborted, match="was taken back"):
            mover.move(forward=True, force="its machine is gone")
        rows = read_rows(mover.parts)
    assert [str(row.state) for row in rows.values() if row] == ["owner", "standby"]


def test_no_domain_is_given_away_without_its_way_back_not_even_by_force(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream back runs, and cannot apply: whoever holds its position's row is in its way."""
    world.bring_to(Stage.CANARY)
    monkeypatch.setattr(preparation, "probe_streams", partial(preparation.probe_streams, within=0.5))
    with psycopg.connect(world.dsns["monolith"]) as blocker, world.mover() as mover:
        blocker.execute("select from fig.position where stream = 'parcels_to_monolith' for update")
        with pytest.raises(PreflightRefused, match="no probe has come through stream parcels_to_monolith") as refused:
            mover.move(forward=True, force="hurry")
        blocker.rollback()
        assert [one.code for one in refused.value.refusals] == ["stream-unproven"]
        assert mover.parts.journal.stage("parcels") is Stage.CANARY
        assert read_rows(mover.parts)[Side.MONOLITH].state == "owner"  # type: ignore[union-attr]


def test_differences_are_never_forced(world: World) -> None:
    world.bring_to(Stage.CANARY)
    with world.mover() as mover:
        mover.parts.journal.verified("parcels", 5, 1, {})
        with pytest.raises(PreflightRefused) as refused:
            mover.move(forward=True, force="hurry")
    assert [one.code for one in refused.value.refusals] == ["verification-differs"]


def test_a_mover_that_dies_after_its_decision_has_its_work_done_by_the_controller(world: World) -> None:
    world.bring_to(Stage.CANARY)

    def die(name: str) -> None:
        if name == "stage-decided":
            raise Died

    with world.mover(checkpoint=die) as mover:
        with pytest.raises(Died):
            mover.move(forward=False)
        assert world.works.asked == []
        assert mover.parts.journal.stage("parcels") is Stage.SHADOW
        Controller([mover.parts])._look(Watch(mover.parts))
    assert world.works.asked == ["end canary", "begin shadow"]


def test_a_dry_run_tells_steps_positions_and_every_refusal_and_changes_nothing(world: World) -> None:
    world.bring_to(Stage.CANARY)
    world.works.shut.add(Stage.CANARY)
    before = kinds(world)
    with world.parts() as parts:
        found = dry_run(impatient(parts), forward=True)
        rows = read_rows(parts)
    assert found.move.act is Act.SWITCH
    assert [step.name for step in found.steps][-2:] == ["done", "end-canary"]
    assert {one.code for one in found.judgement.refusals} == {"canary-evidence", "verification-stale"}
    assert all(line.source_lsn and line.applied_lsn for line in found.positions)
    assert rows[Side.MONOLITH].state == "owner"  # type: ignore[union-attr]
    assert kinds(world) == before


def test_a_rollback_with_nothing_on_its_way_is_instant_and_says_so_before_it_acts(world: World) -> None:
    world.bring_to(Stage.SERVICE)
    with world.parts() as parts:
        foreseen = dry_run(parts, forward=False).forecast
    assert foreseen is not None
    assert foreseen.cost is not Cost.REFUSED
    said: list[str] = []
    with world.mover(say=said.append) as mover:
        mover.move(forward=False)
    assert any(line.startswith("rollback, ") for line in said[: said.index("held")])


def test_a_rollback_with_something_on_its_way_is_a_hold_of_about_that_long(world: World) -> None:
    world.bring_to(Stage.SERVICE)
    with psycopg.connect(world.dsns["service"], autocommit=True) as service:
        service.execute("insert into parcel values (901, 'on its way') on conflict do nothing")
        wait_until(lambda: place_of(world, 901), 10, "the row has come back")
        with psycopg.connect(world.dsns["monolith"]) as reader, world.parts() as parts:
            reader.execute("select from parcel where id = 901 for update")
            service.execute("update parcel set place = 'waits for the reader' where id = 901")
            letting_go = threading.Timer(0.7, reader.rollback)
            letting_go.start()
            patient = parts.plan.limits.model_copy(update={"drain": 4.0})
            gates = parts.plan.gates.model_copy(update={"lag": 4.0})
            plan = parts.plan.model_copy(update={"limits": patient, "gates": gates})
            foreseen = dry_run(replace(parts, plan=plan), forward=False).forecast
            letting_go.join()
    assert foreseen is not None
    assert (foreseen.cost, foreseen.reasons) == (Cost.BOUNDED_HOLD, ())
    assert foreseen.seconds is not None
    assert foreseen.seconds > 0.25


def place_of(world: World, parcel: int) -> str | None:
    with psycopg.connect(world.dsns["monolith"]) as monolith:
        found = monolith.execute("select place from parcel where id = %s", [parcel]).fetchone()
    return found[0] if found else None


def test_a_rollback_without_its_stream_is_refused_with_the_reason(world: World) -> None:
    world.bring_to(Stage.SERVICE)
    with world.mover() as mover:
        lines = steering.chosen(mover.parts, "to_monolith")
        steering.pause(mover.parts, lines)
        try:
            with pytest.raises(PreflightRefused) as refused:
                mover.move(forward=False, force="hurry")
            foreseen = dry_run(mover.parts, forward=False, force="hurry").forecast
        finally:
            steering.go_on(mover.parts, lines)
    assert "stream-halted" in {one.code for one in refused.value.refusals}
    assert foreseen is not None
    assert foreseen.cost is Cost.REFUSED
    assert any("stands still" in reason for reason in foreseen.reasons)
