"""A canary goes on by itself while all is well, and back by itself when it is not; whoever dies in between."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from migration_plan.canary import acts, work
from migration_plan.canary.acts import NoCanary
from migration_plan.canary.judge import Event, Mode
from migration_plan.canary.keeper import KeeperThread
from migration_plan.errors import JournalUnreachable
from migration_plan.lifecycle import Stage
from proxy.client import ProxyClient
from tests.integration.proxy.origin import Answer
from tests.support.waiting import wait_until


class Died(Exception):
    """A controller ends here, as by kill -9."""


def dies_at(name):
    def checkpoint(at):
        if at == name:
            raise Died

    return checkpoint


def failing(_):
    return Answer(500, b"oops")


def slow(_):
    threading.Event().wait(0.15)  # Well within the bound of the first byte: nobody sees an error, only slowness.
    return Answer(body=b"catalog")


def test_it_goes_through_its_steps_while_all_is_well_and_opens_the_gate_at_the_last(canary):
    assert canary.shares == (5000, 5000)
    assert canary.keeper.look().event is None, "no step without evidence"
    seen = []
    for share in (7500, 10_000):
        answers = canary.use()
        seen.append(answers.count("catalog"))
        assert not work.gates(canary.parts)[0].is_met
        verdict = canary.keeper.look()
        assert verdict.event is Event.SET, verdict
        assert canary.shares == (share, share)
    assert seen == sorted(seen)
    assert canary.use().count("catalog") == 200
    assert canary.keeper.look().event is None
    [gate] = work.gates(canary.parts)
    assert gate.is_met, gate
    assert canary.report.next_steps == ["fig advance catalog"]
    assert canary.events() == ["begun", "set", "set"]


def test_a_step_lasts_as_long_as_the_plan_says(canary):
    canary.rules(each="1h")
    canary.use()
    assert "of 3600 s" in canary.keeper.look().reason
    assert canary.shares == (5000, 5000)


@pytest.mark.parametrize(
    ("behaviour", "name"),
    [(failing, "errors"), (slow, "p95"), (lambda _: Answer(200, b"none", {"X": "y"}), "")],
    ids=["failing", "slow", "well"],
)
def test_a_service_that_fails_or_is_slow_loses_all_its_users_and_no_user_sees_an_error(canary, behaviour, name):
    canary.use()
    canary.keeper.look()
    assert canary.shares == (7500, 7500)
    canary.answer(behaviour)
    verdict = canary.use_and_look()  # Each answer is 200, or this raises.
    if not name:
        assert verdict.event is not Event.BREACH_BACK
        return
    assert verdict.event is Event.BREACH_BACK
    assert name in verdict.reason
    assert canary.shares == (0, 0)
    assert canary.report.state.mode is Mode.BACK
    assert canary.use() == ["monolith"] * 200
    last = canary.parts.journal.last("catalog", "canary")
    assert (last.detail["was"], last.detail["share"]) == ("75%", "0%")
    assert any(check["finding"] == "bad" for check in last.detail["checks"])
    assert canary.keeper.look().event is None, "it stays there until a person has looked"
    assert canary.report.next_steps == ["fig history catalog", "fig canary catalog thaw"]
    canary.answer(lambda _: Answer(body=b"catalog"))
    assert acts.thaw(canary.parts).state.share == 5000
    assert canary.shares == (5000, 5000)


def test_a_copy_that_falls_behind_ends_it(canary):
    canary.use()
    canary.world.client.applied({"catalog": {"service": int(time.time() * 1000) - 21_000}})
    assert "lag 21" in canary.keeper.look().reason
    assert canary.shares == (0, 0)


def test_where_the_plan_says_freeze_a_breach_keeps_the_share(canary):
    canary.rules(on_breach="freeze")
    canary.answer(failing)
    assert canary.use_and_look().event is Event.BREACH_FREEZE
    assert canary.shares == (5000, 5000)
    assert canary.keeper.look().event is None, "said once"
    canary.answer(lambda _: Answer(body=b"catalog"))
    assert acts.thaw(canary.parts).state.mode is Mode.RUNNING


def test_a_frozen_canary_takes_no_step_and_still_goes_back_at_a_breach(canary):
    acts.freeze(canary.parts)
    canary.use()
    assert canary.keeper.look().is_passed
    assert canary.shares == (5000, 5000)
    canary.answer(failing)
    assert canary.use_and_look().event is Event.BREACH_BACK
    assert canary.shares == (0, 0)


def test_a_person_sets_any_share_and_the_keeper_goes_on_from_there(canary):
    assert acts.set_share(canary.parts, 6000).state.share == 6000
    assert canary.shares == (6000, 6000)
    canary.use()
    canary.keeper.look()
    assert canary.shares == (7500, 7500)
    acts.set_share(canary.parts, 0)
    assert canary.use() == ["monolith"] * 200
    canary.keeper.look()
    assert canary.shares == (0, 0), "a share of 0 by hand stays"
    assert acts.thaw(canary.parts).state.share == 5000


@pytest.mark.parametrize("place", ["canary-back-told", "canary-decided"])
def test_a_controller_that_dies_in_a_breach_leaves_no_user_with_the_service(canary, place):
    canary.restart(dies_at(place))
    canary.answer(failing)
    with pytest.raises(Died):
        canary.use_and_look()
    assert canary.world.client.routes()["catalog"].share == 0
    canary.restart()
    canary.keeper.look()
    canary.keeper.look()
    assert canary.shares == (0, 0)
    assert canary.report.state.mode is Mode.BACK


def test_a_controller_that_dies_after_a_step_was_decided_has_it_told_by_the_next_one(canary):
    canary.use()
    canary.restart(dies_at("canary-decided"))
    with pytest.raises(Died):
        canary.keeper.look()
    assert canary.shares == (7500, 5000)
    canary.restart()
    canary.keeper.look()
    assert canary.shares == (7500, 7500)


def test_evidence_outlives_the_controller_that_saw_it(canary):
    canary.use()
    canary.restart()
    assert canary.keeper.look().event is Event.SET


def test_a_breach_while_the_journal_is_away_is_answered_and_written_down_later(canary):
    canary.use(8)
    canary.keeper.look()
    name = str(conninfo_to_dict(canary.parts.journal.dsn)["dbname"])
    with psycopg.connect(make_conninfo(canary.parts.journal.dsn, dbname="postgres"), autocommit=True) as server:
        server.execute(sql.SQL("alter database {} allow_connections false").format(sql.Identifier(name)))
        server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        try:
            canary.answer(failing)
            with pytest.raises(JournalUnreachable):
                canary.use_and_look()
            assert canary.world.client.routes()["catalog"].share == 0
        finally:
            server.execute(sql.SQL("alter database {} allow_connections true").format(sql.Identifier(name)))
    canary.keeper.look()
    canary.keeper.look()
    assert canary.shares == (0, 0)
    assert canary.report.state.mode is Mode.BACK


def test_two_controllers_decide_one_thing_once(canary):
    other = type(canary.keeper)(canary.parts)
    canary.use()
    canary.keeper.look()
    other.look()
    assert canary.events() == ["begun", "set"]
    acts.set_share(canary.parts, 5000)
    canary.answer(failing)
    for _ in range(4):
        canary.use(80)
        together = [threading.Thread(target=keeper.look) for keeper in (canary.keeper, other)]
        for one in together:
            one.start()
        for one in together:
            one.join()
    assert canary.shares == (0, 0)
    assert canary.events().count("breach-back") == 1
    other.close()


def test_after_an_aborted_switch_the_canary_goes_on_at_the_new_epoch(canary):
    epoch = canary.world.client.routes()["catalog"].epoch
    canary.world.client.set_route("catalog", epoch + 2, "monolith")
    assert canary.world.client.routes()["catalog"].share == 0
    canary.keeper.look()
    assert canary.shares == (5000, 5000)


def test_a_proxy_that_was_away_when_it_ended_is_told_when_it_is_back(canary):
    canary.parts.journal.set_stage("catalog", Stage.SYNC, canary.world.client.routes()["catalog"].epoch)
    away = replace(canary.parts, proxies=[ProxyClient("test", "/nowhere/admin.sock")])
    work.end(away)
    assert canary.world.client.routes()["catalog"].share == 5000
    assert canary.keeper.look() is None
    assert canary.world.client.routes()["catalog"].share == 0
    with pytest.raises(NoCanary):
        acts.freeze(canary.parts)
    work.end(canary.parts)
    canary.parts.journal.set_stage("catalog", Stage.CANARY, canary.world.client.routes()["catalog"].epoch)
    work.begin(canary.parts)
    work.begin(canary.parts)
    assert canary.shares == (5000, 5000), "a later canary's decisions are later ones"


def test_no_step_without_every_proxy_and_back_without_one_of_them(canary):
    gone = ProxyClient("gone", "/nowhere/admin.sock")
    canary.parts = replace(canary.parts, proxies=[gone, *canary.parts.proxies])
    canary.restart()
    canary.use()
    assert "proxy gone does not answer" in canary.keeper.look().reason
    canary.answer(failing)
    canary.use_and_look()
    assert canary.shares == (0, 0)
    assert canary.report.silent == ("gone",)


def test_a_running_controller_takes_users_back_by_itself(canary):
    stop = threading.Event()
    canary.rules(each="1h")
    thread = KeeperThread(canary.keeper, "catalog", stop)
    thread.start()
    try:
        canary.use()
        canary.answer(failing)
        wait_until(
            lambda: canary.use(40) and canary.world.client.routes()["catalog"].share == 0, 30, "it goes back", every=0.1
        )
    finally:
        stop.set()
        thread.join(10)
