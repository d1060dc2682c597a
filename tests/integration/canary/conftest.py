"""A canary with everything that keeps it: a real nginx before two small servers, and a journal in PostgreSQL."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from migration_plan.canary import acts, work
from migration_plan.canary.acts import Report
from migration_plan.canary.judge import LASTING, Verdict
from migration_plan.canary.keeper import Keeper
from migration_plan.configuration import plan as plans
from migration_plan.configuration.canary_rules import CanaryRules
from migration_plan.journal.journal import Journal
from migration_plan.lifecycle import Stage
from migration_plan.parts import Parts, no_checkpoint
from proxy.client import ProxyClient
from tests.integration.proxy.conftest import World, _set_back, _world
from tests.integration.proxy.visitors import PATH, sides, visitor
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

CATALOG = Path("migration_plan/plans/catalog.yml")
RULES = {
    "steps": ["50%", "75%", "100%"], "each": "0s", "requests": 20,
    "limits": {"errors": "10%", "refused": "10%", "lag": "20s", "applied_age": "60s"},
}  # fmt: skip
_READS = re.compile(r'^fig_proxy_requests_total\{domain="catalog",[^}]*method="read"[^}]*\} (\d+)$', re.MULTILINE)
_number = itertools.count(1)
VISITORS = [visitor(number) for number in range(200)]


@dataclass
class Canary:
    """The canary of `catalog`, its keeper, and its users."""

    world: World
    parts: Parts
    keeper: Keeper

    def use(self, reads: int = 200) -> list[str]:
        """So many users read something, eight at a time; all of them are answered 200, by one side or the other."""
        self.fresh()
        before = self.counted()
        with ThreadPoolExecutor(8) as pool:
            shares = [VISITORS[n:reads:8] for n in range(8)]
            answers = [side for some in pool.map(lambda some: sides(self.world, some, PATH), shares) for side in some]
        # A figure is a moment younger than its answer.
        wait_until(lambda: self.counted() >= before + reads, 5, "all reads are counted")
        return answers

    def counted(self) -> int:
        """Reads of the domain, in the figures."""
        return sum(int(count) for count in _READS.findall(self.world.client.metrics()))

    def use_and_look(self) -> Verdict:
        """Users go on for some looks of the controller; what the last one of them says."""
        verdict = None
        for _ in range(LASTING):
            self.use(80)
            verdict = self.keeper.look()
            if verdict and verdict.event:
                break
        assert verdict
        return verdict

    def fresh(self) -> None:
        """The copy has everything."""
        self.world.client.applied({"catalog": {"service": int(time.time() * 1000)}})

    @property
    def report(self) -> Report:
        return acts.status(self.parts)

    @property
    def shares(self) -> tuple[int, int]:
        """In the journal, and at the proxy; in 1/100 %."""
        return self.report.state.share, self.world.client.routes()["catalog"].share

    def events(self) -> list[str]:
        entries = self.parts.journal.entries("catalog")
        return [entry.detail["event"] for entry in entries if entry.kind == "canary"]

    def rules(self, **changes: Any) -> None:
        rules = CanaryRules.model_validate({**RULES, **changes})
        self.parts = replace(self.parts, plan=self.parts.plan.model_copy(update={"canary": rules}))
        self.keeper.close()
        self.keeper = Keeper(self.parts)

    def restart(self, checkpoint: Callable[[str], None] = no_checkpoint) -> None:
        """Another controller takes over; the one before says nothing any more."""
        self.keeper.close()
        self.keeper = Keeper(self.parts, checkpoint)

    def answer(self, behaviour: Any) -> None:
        self.world.catalog.behaviour = self.world.catalog_two.behaviour = behaviour


@pytest.fixture(scope="module")
def proxied() -> Iterator[World]:
    yield from _world()


@pytest.fixture
def canary(proxied: World, monolith_server: PostgresServer) -> Iterator[Canary]:
    """Begun at its first step, 50 %."""
    world = _set_back(proxied)
    dsn = monolith_server.create_database(f"canary_{os.getpid()}_{next(_number)}")
    variables = {"FIG_MONOLITH_DSN": "postgresql://m/shop", "FIG_CATALOG_DSN": "postgresql://s/catalog"}
    plan = plans.load(CATALOG, variables).model_copy(update={"canary": CanaryRules.model_validate(RULES)})
    parts = Parts(plan, {}, [ProxyClient("test", world.config.admin_socket)], Journal(dsn))
    parts.journal.set_stage("catalog", Stage.CANARY, world.client.routes()["catalog"].epoch)
    made = Canary(world, parts, Keeper(parts))
    made.fresh()
    work.begin(parts)
    yield made
    made.keeper.close()
    parts.close()
