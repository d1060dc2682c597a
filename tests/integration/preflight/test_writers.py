"""Who and what writes the domain's tables is found by name; a plan that explains its writers is held to it."""

from __future__ import annotations

from typing import Any

import pytest

from migration_plan.lifecycle import Act
from migration_plan.preflight import inspect, judge, notes
from tests.integration.preflight.conftest import Change, Trial


def unexplained(trial: Trial, change: Change | None = None) -> list[str]:
    plan = trial.plan(change)
    codes = ("writer-unexplained", "writer-unknown")
    return [one.message for one in judge(plan, Act.START_SYNC, inspect(plan)) if one.code in codes]


def explain(kind: str, **entries: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        document["writers"].setdefault(kind, {}).update(entries)

    return change


WRITERS = {
    "roles": (
        "do $$ begin create role acme_cron login; exception when duplicate_object then null; end $$;"
        ' grant update (balance) on acme."Account" to acme_cron',
        "acme_cron",
    ),
    "functions": (
        "create function acme.close_all() returns void language sql as"
        """ $$ update acme."Account" set closed = true $$""",
        "acme.close_all()",
    ),
    "views": ('create view acme.open_ones as select * from acme."Account" where not closed', "acme.open_ones"),
    "rules": (
        "create rule leave as on delete to acme.members"
        """ do also update acme."Account" set closed = true where "memberId" = old."memberId" """,
        "leave on acme.members",
    ),
    "policies": ('create policy own on acme."Account" using (true)', 'own on acme."Account"'),
}


def test_the_plan_of_the_awkward_monolith_explains_all_its_writers(trial: Trial):
    assert unexplained(trial) == []


@pytest.mark.parametrize("kind", WRITERS)
def test_a_writer_that_the_plan_does_not_explain_is_refused_by_name(trial: Trial, kind: str):
    statement, name = WRITERS[kind]
    trial.databases.acme.run(statement)
    [said] = unexplained(trial)
    assert f'"{name}"' in said
    assert "monolith" in said
    assert unexplained(trial, explain(kind, **{name: "it was there before us"})) == []


@pytest.mark.parametrize("kind", ["functions", "views", "rules", "policies"])
def test_a_name_that_nothing_has_is_a_typing_error(trial: Trial, kind: str):
    [said] = unexplained(trial, explain(kind, nobody="whoever"))
    assert f'writers.{kind} names "nobody"' in said


def test_a_function_that_only_reads_is_no_writer(trial: Trial):
    trial.databases.acme.run(
        'create function acme.total() returns numeric language sql as $$ select sum(balance) from acme."Account" $$'
    )
    assert unexplained(trial) == []


def test_where_applications_are_named_a_session_of_another_one_is_refused(trial: Trial):
    known = explain("applications", **{"acme-web": "the old web application"})
    acme = trial.databases.acme
    with acme.connect("acme_app", application_name="acme-web"), acme.connect(application_name="somebody's psql"):
        assert unexplained(trial, known) == [], "a superuser is named in a note only"
        with acme.connect("acme_app", application_name="forgotten-cron"):
            [said] = unexplained(trial, known)
            assert 'session(s) of "forgotten-cron" as acme_app' in said
            assert unexplained(trial) == [], "without applications in the plan, roles are enough"


def test_a_plan_without_writers_is_told_who_they_are_and_not_refused(trial: Trial):
    def change(document: dict[str, Any]) -> None:
        del document["writers"]

    assert unexplained(trial, change) == []
    plan = trial.plan(change)
    told = "\n".join(notes(inspect(plan), plan))
    assert 'role "acme_app" may write' in told
    assert "the plan explains no writers" in told
