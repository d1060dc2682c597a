"""A domain's life as data: stages, which may follow which, and what each step does.

Diagram, CLI help and tests are printed from `TRANSITIONS`; nothing else in the project knows the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

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
    """How far a domain is. Persisted in the journal's database, changed by compare-and-set on the epoch."""

    MONOLITH = "monolith"  # The monolith alone; the service's database may be empty.
    SYNC = "sync"  # The monolith owns; rows flow to the service; both streams run.
    SERVICE = "service"  # The service owns; rows flow back to the monolith.
    RETIRED = "retired"  # The service owns alone; no row flows, and there is no way back.


class Act(StrEnum):
    """What has to be done to go from one stage to the next."""

    START_SYNC = "start-sync"  # Enroll the domain, snapshot, start both streams.
    STOP_SYNC = "stop-sync"  # Take every trace of the streams away again.
    SWITCH = "switch"  # Move routes, ownership, direction and sequences as one.
    RETIRE = "retire"  # Prove that nobody uses the monolith's side any more, then take the streams away.


OWNER: dict[Stage, Side] = {
    Stage.MONOLITH: Side.MONOLITH,
    Stage.SYNC: Side.MONOLITH,
    Stage.SERVICE: Side.SERVICE,
    Stage.RETIRED: Side.SERVICE,
}

TRANSITIONS: dict[tuple[Stage, Stage], Act] = {
    (Stage.MONOLITH, Stage.SYNC): Act.START_SYNC,
    (Stage.SYNC, Stage.SERVICE): Act.SWITCH,
    (Stage.SERVICE, Stage.SYNC): Act.SWITCH,
    (Stage.SYNC, Stage.MONOLITH): Act.STOP_SYNC,
    (Stage.SERVICE, Stage.RETIRED): Act.RETIRE,
}

FINAL = Stage.RETIRED
"""No way leads out of it: nothing brings the service's rows back to the monolith any more."""


def next_stage(stages: Sequence[Stage], now: Stage, forward: bool, to: Stage | None = None) -> Stage:
    """The neighbour of `now` in the plan's stages; StageRefused says what would be possible instead."""
    position = stages.index(now) + (1 if forward else -1)
    neighbour = stages[position] if 0 <= position < len(stages) else None
    if now is FINAL and not forward:
        raise StageRefused(
            f'"{now}" is final: the monolith has had no row of the service since, so a way back would lose them',
            f"what is left to do: {possible(stages, now)}",
        )
    if neighbour is None:
        edge = "last" if forward else "first"
        raise StageRefused(f'"{now}" is the {edge} stage of this plan', f"possible: {possible(stages, now)}")
    if to is not None and to is not neighbour:
        raise StageRefused(
            f'stage "{to}" cannot follow "{now}"' + ("" if forward else " backwards"),
            f"possible: {possible(stages, now)}",
        )
    if (now, neighbour) not in TRANSITIONS:
        raise StageRefused(f'stage "{neighbour}" cannot follow "{now}"', f"possible: {possible(stages, now)}")
    return neighbour


def possible(stages: Sequence[Stage], now: Stage) -> str:
    """The commands that make sense in this stage, for messages and `next_steps`."""
    position = stages.index(now)
    if now is FINAL:
        return "delete what is listed on the monolith's side (fig history shows the list)"
    words = []
    if position + 1 < len(stages):
        words.append(f"advance (to {stages[position + 1]})")
    if position > 0:
        words.append(f"rollback (to {stages[position - 1]})")
    return ", ".join(words)


def diagram() -> str:
    """The life as text: one line a transition."""
    return "\n".join(f"{a:>9} -> {b:<9} {act}" for (a, b), act in TRANSITIONS.items())
