"""What preflight decides from facts alone: no server is asked here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migration_plan.configuration.plan import Gates, Plan, load
from migration_plan.lifecycle import Act, Side
from migration_plan.preflight import Inspection, SwitchFacts, judge, moment
from migration_plan.preflight.facts import Role, Server, Session, SideFacts
from tests.integration.preflight.conftest import PLAN

SERVER = Server(150004, False, "logical", "UTF8", "1", "acme", 1, 9, 9, ())
ROLE = Role("fig", True, True, True, True, (), "")
GOOD = SwitchFacts(
    giver=Side.MONOLITH, lag=0.1, verification_age=60.0, differences=0,
    probes={"ledger_to_service": True, "ledger_to_monolith": True}, proxies={"local": ""},
)  # fmt: skip


@pytest.fixture
def plan() -> Plan:
    names = ("FIG_ACME_DSN", "FIG_BOOK_DSN")
    bare = load(Path(PLAN), {name: f"host=127.0.0.1 dbname={name}" for name in names})
    return bare.model_copy(update={"crossing": bare.crossing.model_copy(update={"foreign_keys": {}, "triggers": {}})})


def inspection(**monolith: object) -> Inspection:
    side = replace(SideFacts(Side.MONOLITH, server=SERVER, role=ROLE), **monolith)  # type: ignore[arg-type]
    return Inspection(side, SideFacts(Side.SERVICE, server=replace(SERVER, system_id="2"), role=ROLE))


def codes(plan: Plan, facts: Inspection, switch: SwitchFacts | None = GOOD) -> list[str]:
    return [refusal.code for refusal in judge(plan, Act.SWITCH, facts, switch)]


def test_good_facts_allow_a_switch(plan: Plan):
    assert codes(plan, inspection()) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"lag": None}, "stream-not-running"),
        ({"lag": 2.5}, "lag"),
        ({"verification_age": None}, "verification-missing"),
        ({"verification_age": 3601.0}, "verification-stale"),
        ({"differences": 1}, "verification-differs"),
        ({"probes": {"ledger_to_service": True}}, "stream-unproven"),
        ({"probes": {"ledger_to_monolith": True}}, "stream-unproven"),
        ({"proxies": {"local": "no answer"}}, "proxy-silent"),
        ({"proxies": {}}, "no-proxy"),
        ({"stage": "it cannot follow"}, "stage-refused"),
    ],
)
def test_each_fact_of_the_moment_can_refuse_a_switch_alone(plan: Plan, change: dict[str, object], code: str):
    assert codes(plan, inspection(), replace(GOOD, **change)) == [code]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "contract-missing"),
        ({"contract_age": 5.0, "contract_exit": 1}, "contract-broken"),
        ({"contract_age": 86401.0}, "contract-stale"),
    ],
)
def test_a_plan_with_a_contract_wants_it_kept_and_fresh(plan: Plan, change: dict[str, object], code: str):
    strict = plan.model_copy(update={"contract": ("true",)})
    assert codes(strict, inspection(), replace(GOOD, **change)) == [code]  # type: ignore[arg-type]


def test_a_kept_contract_lets_the_switch_go_and_the_way_back_needs_none(plan: Plan):
    strict = plan.model_copy(update={"contract": ("true",)})
    assert codes(strict, inspection(), replace(GOOD, contract_age=5.0)) == []
    assert codes(strict, inspection(), replace(GOOD, giver=Side.SERVICE)) == []


def test_a_contract_that_is_asked_for_never_is_not_asked_for(plan: Plan):
    gates = Gates.model_validate({"contract_age": "never"})
    assert codes(plan.model_copy(update={"contract": ("true",), "gates": gates}), inspection()) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 140009}, "server-too-old"),
        ({"standby": True}, "read-only-server"),
        ({"encoding": "SQL_ASCII"}, "no-encoding"),
        ({"system_id": "2"}, "one-database"),
    ],
)
def test_each_fact_of_the_server_can_refuse_alone(plan: Plan, change: dict[str, object], code: str):
    assert codes(plan, inspection(server=replace(SERVER, **change))) == [code]  # type: ignore[arg-type]


def test_a_second_is_the_border_between_everyday_life_and_a_long_transaction(plan: Plan):
    session = Session(7, "cron", "app", "active", 1.0, "", "RowExclusiveLock on acme.x", True, True)
    assert codes(plan, inspection(sessions=(session,))) == []
    assert codes(plan, inspection(sessions=(replace(session, transaction_seconds=1.01),))) == ["long-transaction"]


def test_a_stream_that_exists_needs_no_second_slot(plan: Plan):
    tight = replace(SERVER, free_slots=1)
    assert codes(plan, inspection(server=tight)) == ["no-free-slot"]
    assert codes(plan, inspection(server=tight, missing_slots=0)) == []


def test_publishers_need_slots_too(plan: Plan):
    room = replace(SERVER, free_slots=4, free_senders=3)
    assert codes(plan, inspection(server=room, missing_slots=3)) == ["no-free-sender"]
    assert codes(plan, inspection(server=replace(room, free_senders=4), missing_slots=3)) == []


@pytest.mark.parametrize(
    ("proxies", "can_be"), [({"first": "", "second": "no answer"}, True), ({"first": "no answer"}, False), ({}, False)]
)
def test_a_silent_proxy_is_forced_past_only_where_another_one_answers(
    plan: Plan, proxies: dict[str, str], can_be: bool
):
    gate = moment.gates(replace(GOOD, proxies=proxies), plan)[-1]
    assert (gate.name, gate.is_met, gate.can_be_forced) == ("proxies", False, can_be)
