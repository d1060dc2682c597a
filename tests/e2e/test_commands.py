"""The commands as an operator meets them: what they say, what they change, how they end."""

from __future__ import annotations

import json
from contextlib import closing

import psycopg
import pytest

from migration_plan import bootstrap
from migration_plan.errors import SwitchAborted
from migration_plan.switching.switch import CHECKPOINTS
from tests.support.stack import Stack


@pytest.fixture(scope="module")
def synced(stack: Stack) -> Stack:
    """Catalog owned by the monolith, in stage sync, verified."""
    if stage(stack) == "service":
        assert stack.fig("rollback", "catalog").returncode == 0
    if stage(stack) == "monolith":
        done = stack.fig("advance", "catalog", "--to", "sync")
        assert done.returncode == 0, done.stdout + done.stderr
    assert stack.fig("verify", "catalog").returncode == 0
    return stack


def stage(stack: Stack) -> str:
    with psycopg.connect(stack.env["FIG_JOURNAL_DSN"]) as journal:
        if journal.execute("select to_regclass('fig.stage')").fetchone() == (None,):
            return "monolith"
        found = journal.execute("select stage from fig.stage where domain = 'catalog'").fetchone()
        return found[0] if found else "monolith"


def rows(stack: Stack) -> list[tuple[object, ...]]:
    """Both sides' rows: all that a command may or may not change."""
    found = []
    for dsn in ("FIG_MONOLITH_DSN", "FIG_CATALOG_DSN"):
        with psycopg.connect(stack.env[dsn]) as side:
            found += side.execute("select side, state, epoch from fig.domain where domain = 'catalog'").fetchall()
    return found


def test_a_dry_run_prints_the_steps_and_changes_nothing(synced: Stack):
    before = rows(synced)
    done = synced.fig("advance", "catalog", "--dry-run", "--json")
    steps = [step["name"] for step in json.loads(done.stdout)["steps"]]
    until_decided = ["preflight", "intent", "wait", "hold", "fence", "drain", "release"]
    assert steps == [*until_decided, "grant", "route", "reverse", "done"]
    assert rows(synced) == before


def test_the_streams_of_the_stack_are_seen_and_measured(synced: Stack):
    done = synced.fig("sync", "status", "catalog", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert {one["state"] for one in found["streams"]} == {"streaming"}
    assert all(one["rows_per_second"] is not None for one in found["streams"]), "fig streams shows its figures"
    assert found["next_steps"] == ["fig advance catalog"]


def test_status_without_a_domain_says_in_which_stage_each_is(synced: Stack) -> None:
    done = synced.fig("status", "--json")
    places = {one["domain"]: one for one in json.loads(done.stdout)["domains"]}
    assert places["catalog"] == {
        "domain": "catalog", "stage": "sync", "stages": ["monolith", "sync", "service", "retired"], "owner": "monolith",
    }  # fmt: skip
    assert places["users"]["stage"] == "monolith"
    assert "monolith > [sync] > service > retired; owner monolith" in synced.fig("status").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("advance", "catalog", "--to", "monolith"), 3, 'stage "monolith" cannot follow "sync"'),
        (("advance", "catalog", "--to", "moon"), 3, 'there is no stage "moon"'),
        (("rollback", "catalog", "--to", "service"), 3, 'stage "service" cannot follow "sync" backwards'),
        (("advance", "basket"), 2, 'no plan is about domain "basket"'),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_could(synced: Stack, arguments, code, says):
    before = rows(synced)
    done = synced.fig(*arguments)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert "next:" in done.stderr
    assert json.loads(synced.fig(*arguments, "--json").stdout)["next_steps"]
    assert rows(synced) == before


def test_a_database_that_does_not_answer_is_named(synced: Stack):
    before = rows(synced)
    done = synced.fig("advance", "catalog", environment={"FIG_CATALOG_DSN": "postgresql://fig:x@127.0.0.1:1/catalog"})
    assert done.returncode not in (0, 1)
    assert "service side does not answer" in done.stderr
    assert rows(synced) == before


def test_a_switch_there_and_back_tells_what_it_did_and_the_journal_remembers(synced: Stack):
    there = json.loads(synced.fig("advance", "catalog", "--json").stdout)
    assert (there["stage"], there["switch"]["from"], there["switch"]["to"]) == ("service", "monolith", "service")
    back = json.loads(synced.fig("rollback", "catalog", "--json").stdout)
    assert (back["stage"], back["switch"]["epoch"]) == ("sync", there["switch"]["epoch"] + 1)
    entries = json.loads(synced.fig("history", "catalog", "--json").stdout)["entries"]
    kinds = [entry["kind"] for entry in entries if entry["switch"] == back["switch"]["switch"]]
    assert kinds == ["intent", "held", "fenced", "drained", "released", "granted", "routed", "reversed", "done"]


def test_resume_at_rest_changes_nothing_and_says_so(synced: Stack):
    before = rows(synced)
    done = synced.fig("resume", "catalog", "--json")
    assert json.loads(done.stdout)["case"] == "rest"
    assert rows(synced) == before


def test_the_journal_is_append_only(synced: Stack):
    with psycopg.connect(synced.env["FIG_JOURNAL_DSN"]) as journal, pytest.raises(psycopg.Error, match="append-only"):
        journal.execute("delete from fig.journal")


def cancelled_at(stack: Stack, checkpoint: str) -> tuple[str, list[tuple[object, ...]]]:
    """What Ctrl-C at a step comes to: how the switch ended, and both rows."""
    mover = bootstrap.build("catalog", stack.env)
    mover.checkpoint = lambda name: mover.cancelled.set() if name == checkpoint else None
    with closing(mover.parts):
        try:
            ended = str(mover.move(forward=True).after)
        except SwitchAborted as aborted:
            ended = aborted.code
    return ended, [row[:2] for row in rows(stack)]


BEFORE_THE_DECISION = CHECKPOINTS[CHECKPOINTS.index("after-intent") : CHECKPOINTS.index("after-release")]


@pytest.mark.parametrize("checkpoint", BEFORE_THE_DECISION)
def test_ctrl_c_before_the_decision_takes_the_switch_back(synced: Stack, checkpoint: str):
    assert cancelled_at(synced, checkpoint) == ("switch-aborted", [("monolith", "owner"), ("service", "standby")])
    assert json.loads(synced.fig("resume", "catalog", "--json").stdout)["case"] == "rest"


def test_ctrl_c_after_the_decision_is_too_late_and_the_switch_is_finished(synced: Stack):
    assert cancelled_at(synced, "after-release") == ("service", [("monolith", "standby"), ("service", "owner")])
    assert synced.fig("rollback", "catalog").returncode == 0


def test_a_stale_verification_keeps_the_gate_shut(synced: Stack):
    with psycopg.connect(synced.env["FIG_JOURNAL_DSN"]) as journal:
        journal.execute("update fig.verification set at = at - interval '2 hours'")
    try:
        done = synced.fig("advance", "catalog")
        assert done.returncode == 4
        assert "fig verify catalog" in done.stderr
    finally:
        with psycopg.connect(synced.env["FIG_JOURNAL_DSN"]) as journal:
            journal.execute("update fig.verification set at = at + interval '2 hours'")
