"""One domain of a running stack, moved and looked at from a test's own process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from migration_plan import bootstrap
from migration_plan.comparing.verification import verify_domain
from migration_plan.errors import FigError, LeaseHeld, PreflightRefused, SwitchAborted
from migration_plan.lifecycle import Side, Stage
from migration_plan.moving.moves import Mover, MoveResult, Unsettled, current
from migration_plan.parts import STAGES_WITH_WORK, no_checkpoint, read_rows
from migration_plan.recovering.recovery import decide
from proxy.errors import ProxyUnreachable
from tests.support.stack import Stack
from tests.support.waiting import wait_until


def move_when_allowed(
    mover: Mover, forward: bool, patience: float = 30.0, again: Callable[[], bool] = lambda: False
) -> MoveResult:
    """A refusal changed nothing, and its reason may be over in a moment: a transaction, a lease that runs out.

    A switch that took itself back is tried again only if `again` says so; the patience begins anew after it, for it
    has waited with a patience of its own.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return mover.move(forward)
        except (PreflightRefused, LeaseHeld, Unsettled):
            if time.monotonic() > deadline:
                raise
        except SwitchAborted:
            if not again():
                raise
            deadline = time.monotonic() + patience
        time.sleep(0.1)


@dataclass(frozen=True)
class Moving:
    """Every call opens its own connections: servers come and go under these tests."""

    stack: Stack
    domain: str = "catalog"

    @property
    def environment(self) -> Mapping[str, str]:
        return self.stack.env

    def begin_sync(self) -> None:
        """From the monolith to `sync`, verified, so that switches are allowed."""
        mover = bootstrap.build(self.domain, self.environment)
        with closing(mover.parts):
            stage, _ = current(mover.parts)
            if stage is Stage.MONOLITH:
                move_when_allowed(mover, forward=True)
        assert self.differences() == 0

    def differences(self) -> int:
        """What `fig verify` finds, at the first attempt."""
        with closing(bootstrap.build(self.domain, self.environment).parts) as parts:
            return verify_domain(parts).count

    def owner(self) -> Side:
        with closing(bootstrap.build(self.domain, self.environment).parts) as parts:
            rows = [row for row in read_rows(parts).values() if row is not None and row.state == "owner"]
        assert len(rows) == 1, f"owners: {rows}"
        return rows[0].side

    def give_to(self, side: Side, checkpoint: Callable[[str], None] = no_checkpoint) -> MoveResult | None:
        """Make `side` the owner, by a switch if it is not; None if it is."""
        self.wait_until_settled()
        if self.owner() is side:
            return None
        mover = bootstrap.build(self.domain, self.environment, checkpoint)
        with closing(mover.parts):
            result = move_when_allowed(mover, side is Side.SERVICE, again=lambda: True)
        self.wait_until_settled()
        return result

    def bring_to_sync(self) -> None:
        """Owned by the monolith and copied, from whichever stage somebody has left it in, named by the plan or not."""
        self.give_to(Side.MONOLITH)
        mover = bootstrap.build(self.domain, self.environment)
        with closing(mover.parts):
            stage, _ = current(mover.parts)
            if stage in STAGES_WITH_WORK:
                whole = mover.parts.plan.model_copy(update={"stages": tuple(Stage)})
                Mover(replace(mover.parts, plan=whole)).move(forward=False, to=Stage.SYNC)

    def switch(
        self, forward: bool, checkpoint: Callable[[str], None] = no_checkpoint, patience: float = 30.0
    ) -> MoveResult:
        mover = bootstrap.build(self.domain, self.environment, checkpoint)
        with closing(mover.parts):
            return move_when_allowed(mover, forward, patience)

    def settled(self) -> bool:
        """One owner, one standby, no open intent, and every proxy knows it."""
        with closing(bootstrap.build(self.domain, self.environment).parts) as parts:
            try:
                rows = read_rows(parts)
                decision, intent = decide(rows), parts.journal.open_intent(self.domain)
                routes = [proxy.routes()[self.domain] for proxy in parts.proxies]
            except (FigError, ProxyUnreachable):
                return False
        if intent or not decision.settled or sorted(row.state for row in rows.values() if row) != ["owner", "standby"]:
            return False
        return all(str(r.owner) == decision.giver and r.epoch == decision.epoch and r.hold is None for r in routes)

    def wait_until_settled(self, seconds: float = 60) -> None:
        wait_until(self.settled, seconds, f"{self.domain} at rest again: fig history {self.domain}", every=0.05)

    def held(self) -> int:
        """How many requests the proxies have held so far, counted as each goes on."""
        with closing(bootstrap.build(self.domain, self.environment).parts) as parts:
            return parts.held_so_far()

    def last_entry(self) -> int:
        """The journal's newest line, to look from there on."""
        with closing(bootstrap.build(self.domain, self.environment).parts) as parts:
            return max((entry.id for entry in parts.journal.entries(self.domain)), default=0)

    def recoveries(self, since: int) -> list[str]:
        """Which rows of the recovery table were applied after line `since`, as the journal has them."""
        with closing(bootstrap.build(self.domain, self.environment).parts) as parts:
            entries = parts.journal.entries(self.domain, 500)
        return [
            str(entry.detail["case"]) for entry in entries if entry.id > since and entry.kind in ("recovered", "alarm")
        ]
