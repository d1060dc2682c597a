"""Send generated sequences to both sides until they differ, or until there were enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from tests.contract.differential.answers import Counterparts, differences
from tests.contract.differential.document import operations
from tests.contract.differential.domain import Domain, Step
from tests.contract.differential.rows import Tables
from tests.contract.differential.side import Asked
from tests.contract.differential.steps import sequences


@dataclass(frozen=True)
class Pair:
    """A domain on both sides."""

    domain: Domain
    here: Asked
    there: Asked
    tables: Tables | None
    clear: tuple[Callable[[], object], ...]
    """Brings both sides back to the state in which every sequence begins."""
    effects: tuple[Callable[[], list[str]], ...] = ()
    """What each of the two did outside, such as messages sent, without what is noise."""


class Differs(AssertionError):
    """The two sides do not behave the same: after which requests, and how."""

    def __init__(self, steps: Sequence[Step], found: Sequence[str]) -> None:
        self.steps, self.found = tuple(steps), tuple(found)
        story = "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, 1))
        super().__init__("\n".join([f"{story}", *(f"  -> {one}" for one in found)]))


@dataclass
class Explored:
    """How much was tried."""

    sequences: int = 0
    requests: int = 0
    operations: set[str] = field(default_factory=set)
    statuses: set[int] = field(default_factory=set)


def play(pair: Pair, steps: Sequence[Step], explored: Explored | None = None) -> None:
    """One sequence on both sides. Raises Differs at the first request that is answered otherwise."""
    for clear in pair.clear:
        clear()
    pair.here.forget()
    pair.there.forget()
    counterparts = Counterparts()
    for number, step in enumerate(steps, 1):
        here, there = pair.here.send(step), pair.there.send(step)
        if explored is not None:
            explored.requests += 1
            explored.operations.add(step.operation)
            explored.statuses.add(here.status or 0)
        if found := differences(pair.domain, here, there, counterparts):
            raise Differs(steps[:number], found)
    if pair.effects and (found := _unlike(*(effect() for effect in pair.effects))):
        raise Differs(steps, found)
    if pair.tables and (found := pair.tables.differences(counterparts)):
        raise Differs(steps, [f"rows: {one}" for one in found[:10]])


def _unlike(here: list[str], there: list[str]) -> list[str]:
    """What only one of them did outside, or did once more; or that they did it in another order."""
    more, less = Counter(here) - Counter(there), Counter(there) - Counter(here)
    found = [
        *(f"effect only here: {one}" for one in more.elements()),
        *(f"effect only there: {one}" for one in less.elements()),
    ]
    return found or ([] if here == there else [f"effects in another order: {here} | {there}"])


def explore(pair: Pair, examples: int, longest: int = 8, shrink: bool = True, seed: int = 0) -> Explored:
    """Raises Differs for the shortest sequence that could be found to make a difference."""
    explored = Explored()
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]

    @seeded(seed)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=phases, suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False, print_blob=False,
    )  # fmt: skip
    @given(sequences(pair.domain, operations(pair.domain.document), longest))
    def try_one(steps: list[Step]) -> None:
        explored.sequences += 1
        play(pair, steps, explored)

    try_one()
    return explored
