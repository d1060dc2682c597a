"""What happens in one run, in order: two writers' transactions, interleaved, and faults between their statements.

A schedule is made from its seed alone; how fast the processes are decides the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from cdc.projection import Direction
from tests.integration.cdc.schedules import monolith_writes, service_writes
from tests.integration.cdc.schedules.processes import Role

WRITERS = 2
CHECKPOINTS = {
    Role.APPLIER: ("written", "before commit", "commit sent", "confirmed"),
    Role.PUBLISHER: ("sent", "acknowledged", "confirmed"),
}


class Kind(StrEnum):
    STATEMENT = "statement"
    SAVEPOINT = "savepoint"
    UNDO = "rollback to savepoint"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    KILL = "is killed, and started again"
    KILL_AT = "is killed, and will be killed again at"
    STOP = "is stopped, and started again"
    FREEZE = "stands still"
    THAW = "goes on"
    WIDEN = "both sides get one more column, the target first:"
    CRASH_TARGET = "the target crashes"
    CRASH_SOURCE = "the source crashes"
    CRASH_BROKER = "the broker crashes"


ENDS = (Kind.COMMIT, Kind.ROLLBACK)
Faults = Mapping[Kind, int]
"""How often each kind of fault is taken; a crash of a server takes the longest."""
FAULTS: Faults = {
    Kind.KILL: 4, Kind.KILL_AT: 4, Kind.STOP: 1, Kind.FREEZE: 2, Kind.CRASH_TARGET: 1, Kind.CRASH_SOURCE: 1,
}  # fmt: skip
TO_PROCESSES = (Kind.KILL, Kind.KILL_AT, Kind.STOP, Kind.FREEZE, Kind.THAW)
TO_SERVERS = (Kind.CRASH_TARGET, Kind.CRASH_SOURCE, Kind.CRASH_BROKER)


@dataclass(frozen=True)
class Step:
    """One thing that happens. `writer` matters for statements; `text` is SQL, or where a process dies."""

    kind: Kind
    writer: int = 0
    text: str = ""
    times: int = 0
    """KILL_AT: it dies when it passes there for so many times."""
    role: Role = Role.APPLIER

    def __str__(self) -> str:
        if self.kind in TO_SERVERS or self.kind is Kind.WIDEN:
            return f"-- {self.kind} {self.text}".rstrip()
        if self.kind in TO_PROCESSES:
            return f"-- the {self.role} {self.kind} {self.text} {self.times or ''}".rstrip()
        return f"{self.writer}: {self.text or self.kind};"


@dataclass(frozen=True)
class Schedule:
    seed: int
    direction: Direction
    group_rows: int
    """How much the applier puts together while it has a backlog."""
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        head = f"-- seed {self.seed}, {self.direction}, groups of {self.group_rows} rows"
        return "\n".join([head, *map(str, self.steps)])


def made(
    seed: int,
    transactions: int,
    counts: Sequence[int],
    faults: Faults = FAULTS,
    roles: Sequence[Role] = (Role.APPLIER,),
) -> Schedule:
    """`transactions` of each writer; as many faults as is chosen from `counts`."""
    chance = Random(seed)
    direction = Direction.TO_SERVICE if seed % 3 else Direction.TO_MONOLITH
    acts = monolith_writes.ACTS if direction is Direction.TO_SERVICE else service_writes.ACTS
    queues = [
        [step for _ in range(transactions) for step in _transaction(chance, writer, acts)] for writer in range(WRITERS)
    ]
    steps = list(_merged(chance, queues))
    for number in range(chance.choice([0, 0, 1, 2])):
        steps.insert(chance.randrange(len(steps)), Step(Kind.WIDEN, text=f"added_{number}"))
    for _ in range(chance.choice(counts)):
        _insert_fault(chance, steps, chance.choices(list(faults), list(faults.values()))[0], chance.choice(roles))
    return Schedule(seed, direction, chance.choice([0, 10, 2000]), tuple(steps))


def _transaction(chance: Random, writer: int, acts: Sequence[tuple[monolith_writes.MakeAct, int]]) -> list[Step]:
    makers, weights = zip(*acts, strict=True)
    steps: list[Step] = []
    for make in chance.choices(makers, weights, k=chance.choice([1, 1, 1, 2, 3, 5])):
        saved = chance.random() < 0.2
        steps += [Step(Kind.SAVEPOINT, writer)] * saved
        steps += [Step(Kind.STATEMENT, writer, sql) for sql in make(chance)]
        steps += [Step(Kind.UNDO, writer)] * (saved and chance.random() < 0.6)
    return [*steps, Step(Kind.ROLLBACK if chance.random() < 0.1 else Kind.COMMIT, writer)]


def _merged(chance: Random, queues: list[list[Step]]) -> list[Step]:
    """Most of a writer's transaction in one go: otherwise they would only wait for each other's rows."""
    merged: list[Step] = []
    while any(queues):
        queue = chance.choice([queue for queue in queues if queue])
        ends = next(i for i, step in enumerate(queue) if step.kind in ENDS) + 1
        taken = ends if chance.random() < 0.6 else chance.randint(1, ends)
        merged += queue[:taken]
        del queue[:taken]
    return merged


def _insert_fault(chance: Random, steps: list[Step], kind: Kind, role: Role) -> None:
    at = chance.randint(1, len(steps))
    if kind is Kind.KILL_AT:
        times = chance.choice([1, 1, 2, 5, 20])
        steps.insert(at, Step(kind, text=chance.choice(CHECKPOINTS[role]), times=times, role=role))
        return
    steps.insert(at, Step(kind, role=role))
    if kind is Kind.FREEZE:
        steps.insert(chance.randint(at + 1, min(at + 12, len(steps))), Step(Kind.THAW, role=role))
