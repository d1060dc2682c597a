"""A domain's life as data: stages, which may follow which, and what each step does.

Diagram, CLI help and tests are printed from `TRANSITIONS`; nothing else in the project knows the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from migration_plan.errors import StageRefused


class Side(StrEnum):
    """Where rows live and who serves requests."""

    MONOLITH = "monolith"
    SERVICE = "service"

    @property
    def other(self) -> Side:
        return Side.SERVICE if self is Side.MONOLITH else Side.MONOLITH


@dataclass(frozen=True)
class Row:
    """A side's row for one domain; with the other side's it decides everything."""

    side: Side
    state: str
    epoch: int
    marker: str | None = None

    def __str__(self) -> str:
        return f"{self.state} at epoch {self.epoch}"


class Stage(StrEnum):
    """How far a domain is. Persisted in the journal's database, changed by compare-and-set on the epoch.

    The order of the members is the order of the life; a plan may leave `shadow` and `canary` out.
    """

    MONOLITH = "monolith"  # The monolith alone; the service's database may be empty.
    SYNC = "sync"  # The monolith owns; rows flow to the service; both streams run.
    SHADOW = "shadow"  # As sync; a sample of the reads is also asked of the service, and its answers compared unseen.
    CANARY = "canary"  # As sync; some users' reads are answered by the service, each sees their own writes.
    SERVICE = "service"  # The service owns; rows flow back to the monolith.
    RETIRED = "retired"  # The service owns alone; no row flows, and there is no way back.

    @property
    def place(self) -> int:
        """Where it is in the life, counted from 0."""
        return list(Stage).index(self)


class Act(StrEnum):
    """What has to be done to go from one stage to another one."""

    START_SYNC = "start-sync"  # Enroll the domain, snapshot, start both streams.
    STOP_SYNC = "stop-sync"  # Take every trace of the streams away again.
    START_SHADOW = "start-shadow"  # Have the proxies give samples of the domain's reads to the comparer.
    STOP_SHADOW = "stop-shadow"  # No samples any more; what was found stays in the journal's database.
    START_CANARY = "start-canary"  # Have the proxies send a share of the users' reads to the service.
    STOP_CANARY = "stop-canary"  # All reads to the owner again.
    SWITCH = "switch"  # Move routes, ownership, direction and sequences as one.
    RETIRE = "retire"  # Prove that nobody uses the monolith's side any more, then take the streams away.


OWNER: dict[Stage, Side] = {
    Stage.MONOLITH: Side.MONOLITH,
    Stage.SYNC: Side.MONOLITH,
    Stage.SHADOW: Side.MONOLITH,
    Stage.CANARY: Side.MONOLITH,
    Stage.SERVICE: Side.SERVICE,
    Stage.RETIRED: Side.SERVICE,
}

# Back from `service` leads to `sync`, whatever the plan's stages are: why a service was given up is not known, so its
# answers are shown to nobody until somebody has looked. For the same reason a canary can be left for `sync` at once.
TRANSITIONS: dict[tuple[Stage, Stage], Act] = {
    (Stage.MONOLITH, Stage.SYNC): Act.START_SYNC,
    (Stage.SYNC, Stage.SHADOW): Act.START_SHADOW,
    (Stage.SYNC, Stage.CANARY): Act.START_CANARY,
    (Stage.SYNC, Stage.SERVICE): Act.SWITCH,
    (Stage.SHADOW, Stage.CANARY): Act.START_CANARY,
    (Stage.SHADOW, Stage.SERVICE): Act.SWITCH,
    (Stage.CANARY, Stage.SERVICE): Act.SWITCH,
    (Stage.SERVICE, Stage.RETIRED): Act.RETIRE,
    (Stage.SERVICE, Stage.SYNC): Act.SWITCH,
    (Stage.CANARY, Stage.SHADOW): Act.STOP_CANARY,
    (Stage.CANARY, Stage.SYNC): Act.STOP_CANARY,
    (Stage.SHADOW, Stage.SYNC): Act.STOP_SHADOW,
    (Stage.SYNC, Stage.MONOLITH): Act.STOP_SYNC,
}

FINAL = Stage.RETIRED
"""No way leads out of it: nothing brings the service's rows back to the monolith any more."""


def reachable(stages: Sequence[Stage], now: Stage, forward: bool) -> list[Stage]:
    """Where a plan's domain can go from here, nearest first. Forward there is one way at most; from a stage that the
    plan does not name any more there is none."""
    if forward and now not in stages:
        return []
    if forward:
        after = stages[stages.index(now) + 1 :][:1]
    else:
        after = [stage for stage in reversed(stages) if stage.place < now.place]
    return [stage for stage in after if (now, stage) in TRANSITIONS]


def next_stage(stages: Sequence[Stage], now: Stage, forward: bool, to: Stage | None = None) -> Stage:
    """The stage that follows `now` in the plan, or the named one; StageRefused says what would be possible instead."""
    if now not in stages:
        raise StageRefused(
            f'the domain is in stage "{now}", which its plan does not name any more',
            f'put "{now}" back into the plan\'s stages, and leave it by `fig rollback` or `fig advance`',
        )
    if now is FINAL and not forward:
        raise StageRefused(
            f'"{now}" is final: the monolith has had no row of the service since, so a way back would lose them',
            f"what is left to do: {possible(stages, now)}",
        )
    found = reachable(stages, now, forward)
    if not found:
        edge = "last" if forward else "first"
        raise StageRefused(f'"{now}" is the {edge} stage of this plan', f"possible: {possible(stages, now)}")
    if to is not None and to not in found:
        raise StageRefused(
            f'stage "{to}" cannot follow "{now}"' + ("" if forward else " backwards"),
            f"possible: {possible(stages, now)}",
        )
    return found[0] if to is None else to


def possible(stages: Sequence[Stage], now: Stage) -> str:
    """The commands that make sense in this stage, for messages and `next_steps`."""
    if now is FINAL:
        return "delete what is listed on the monolith's side (fig history shows the list)"
    on, back = reachable(stages, now, True), reachable(stages, now, False)
    words = [f"advance (to {on[0]})"] if on else []
    if back:
        words.append(f"rollback (to {' or '.join(back)})")
    return ", ".join(words)


def diagram() -> str:
    """The life as text: one line a transition."""
    return "\n".join(f"{a:>9} -> {b:<9} {act}" for (a, b), act in TRANSITIONS.items())


def path(stages: Sequence[Stage], now: Stage) -> str:
    """The plan's own way in one line, with the domain's place marked: monolith > [sync] > service."""
    return " > ".join(f"[{stage}]" if stage is now else str(stage) for stage in stages)


def problem_of(stages: Sequence[Stage]) -> str:
    """Why these stages are no life; empty: they are one."""
    if stages[:1] != (Stage.MONOLITH,):
        return f'stages begin with "{Stage.MONOLITH}"'
    for now, after in pairwise(stages):
        if (now, after) not in TRANSITIONS or after.place < now.place:
            return f'stage "{after}" cannot follow "{now}"'
    return ""
