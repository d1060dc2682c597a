"""A rehearsal in order: look, copy, start, play, count. Nothing of it is left, and where it was killed nothing runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from migration_plan import bootstrap
from migration_plan.configuration import settings as settings_file
from migration_plan.configuration.plan import Plan
from migration_plan.configuration.settings import Settings
from migration_plan.lifecycle import Side, Stage
from migration_plan.local import folder
from migration_plan.local.site import Place, Site
from migration_plan.parts import Parts
from migration_plan.rehearsal import copying, place, traffic
from migration_plan.rehearsal.errors import RehearsalRefused
from migration_plan.rehearsal.performance import Performance, only_the_switch
from migration_plan.rehearsal.report import Report, Round

Say = Callable[[str], None]
CALM = 3.0  # Seconds of use before anything moves.


def rehearse(parts: Parts, live: Mapping[str, str], rounds: int, say: Say) -> Report:
    """`parts` and `live`: the live domain and its environment, of which only the journal is written to."""
    settings = settings_file.load(live)
    stack = settings.file.parent / settings.rehearsal.stack if settings.rehearsal.stack else Place.of(live).file
    reads = traffic.recorded_by(Path(proxy.folder) for proxy in settings.proxies)
    _refuse(parts, settings, reads)
    with place.alone(parts.domain, place.folder_of(live)):
        site = place.open_place(live, stack, lambda name, what: say(f"  {name} {what}"))
        try:
            report = _perform(parts, site, live, reads, rounds, say)
        finally:
            say("clearing away")
            place.leave(site.state, lambda _name, _what: None)
    parts.journal.record(parts.domain, "rehearsed", report=report.as_json())
    return report


def _perform(parts: Parts, site: Site, live: Mapping[str, str], reads: list[str], rounds: int, say: Say) -> Report:
    began, environment = time.monotonic(), place.environment_of(site, live)
    with place.only(environment), folder.locked(site.state):
        copies = settings_file.load(environment)
        pairs = _pairs(parts, bootstrap.load_plans(copies, environment), site)
        say("servers")
        place.begin_servers(site, lambda name, what: say(f"  {name} {what}"))
        for name, (source, target) in pairs.items():
            say(f"copy {name}")
            copying.copy(source, target, name, site.state / "run")
        say("application")
        place.begin(site, lambda name, what: say(f"  {name} {what}"), copies.rehearsal.processes)
        return _play(parts.domain, copies, environment, reads, rounds, say, began)


def _refuse(parts: Parts, settings: Settings, reads: list[str]) -> None:
    reasons = [
        f'"{plan.domain}" is retired: the monolith has old rows of it, so a copy of them is not the application'
        for plan in parts.plans
        if parts.journal.stage(plan.domain) is Stage.RETIRED
    ]
    if not reads and not settings.rehearsal.traffic:
        reasons.append("no proxy here has recorded a read, and fig.yml names no command that makes traffic")
    if reasons:
        raise RehearsalRefused(parts.domain, reasons, "rehearsal: {traffic: [...]} in fig.yml")


def _pairs(parts: Parts, copies: Mapping[str, Plan], site: Site) -> dict[str, tuple[str, str]]:
    """Each live database once, with its copy's; refused where a copy is not on a server that the stack itself keeps."""
    found: dict[str, tuple[str, str]] = {}
    reasons = []
    for plan in parts.plans:
        for side in Side:
            source, target = plan.sides[side].dsn, copies[plan.domain].sides[side].dsn
            admin = place.admin_of(site, target)
            if admin is None:
                reasons.append(f"sides.{side}.dsn of {plan.domain} is on no server of the rehearsal's stack")
            else:
                found[str(conninfo_to_dict(target)["dbname"])] = (plan.sides[side].admin_dsn or source, admin)
    if reasons:
        raise RehearsalRefused(parts.domain, reasons, "let the stack's own environment name every dsn of the plans")
    return found


def _play(
    domain: str, copies: Settings, environment: Mapping[str, str], reads: list[str], rounds: int, say: Say, began: float
) -> Report:
    plans = bootstrap.load_plans(copies, environment)
    plan = plans[domain].model_copy(update={
        "stages": only_the_switch(plans[domain].stages),
        # What is asked of the live one: its suites, its rehearsals.
        "gates": plans[domain].gates.model_copy(update={"contract_age": None, "rehearsal_age": None}),
    })  # fmt: skip
    flow = traffic.Traffic(f"http://{copies.proxies[0].listeners.public}", reads)
    played: list[Round] = []
    with closing(bootstrap.parts_of(copies, plan, plans.values())) as copy:
        performance = Performance(copy, say)
        with flow.flowing(copies.rehearsal.traffic, environment, copies.file.parent):
            say("sync")
            performance.begin()
            time.sleep(CALM)
            requests, failures = performance.answers()
            for number in range(rounds):
                played += performance.there_and_back()
                say(f"round {number + 1} of {rounds}: hold {played[-2].hold_ms:.0f} and {played[-1].hold_ms:.0f} ms")
            after = performance.answers()
        say("verify")
        rows, differences = performance.compare()
    return Report(
        domain, tuple(played), performance.taken_back, after[0] - requests, after[1] - failures, flow.broken,
        flow.exit_code, rows, differences, round(time.monotonic() - began, 1),
    )  # fmt: skip
