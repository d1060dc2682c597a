"""The play itself: into `sync` on the copies, then forth and back, with people there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable

from migration_plan.comparing.verification import verify_domain
from migration_plan.errors import LeaseHeld, PreflightRefused, SwitchAborted
from migration_plan.lifecycle import Stage
from migration_plan.moving.moves import Mover, MoveResult, Unsettled, current
from migration_plan.parts import Parts
from migration_plan.rehearsal.errors import RehearsalStuck
from migration_plan.rehearsal.report import Round
from proxy.errors import ProxyUnreachable

PATIENCE = 60.0  # Seconds for one move: what is refused changed nothing and may be over in a moment.
PAUSE = 0.5
BETWEEN = 1.0  # Seconds of ordinary use between two switches.

_ANSWERS = re.compile(r'^fig_proxy_requests_total\{[^}]*status="(\d)xx"[^}]*\} (\S+)$', re.MULTILINE)


class Performance:
    """Moves one domain on the copies and keeps count."""

    def __init__(self, parts: Parts, say: Callable[[str], None]) -> None:
        self.parts = parts
        self.taken_back = 0
        self._say = say
        self._mover = Mover(parts)

    def begin(self) -> None:
        """Into `sync`, verified."""
        self._move(forward=True)
        verify_domain(self.parts)

    def there_and_back(self) -> list[Round]:
        """One cutover and the way back."""
        done = []
        for forward in (True, False):
            moved = self._move(forward).switch
            if moved is None:
                raise RehearsalStuck(f"{self.parts.domain} moved without a switch", "fig plan show")
            done.append(Round(moved.giver, moved.taker, moved.hold_ms, moved.drain_ms, moved.attempts, moved.held))
            time.sleep(BETWEEN)
        return done

    def compare(self) -> tuple[int, int]:
        """Rows compared on both sides, and how many of them differ."""
        report = verify_domain(self.parts)
        return report.rows, report.count

    def answers(self) -> tuple[int, int]:
        """How many requests the proxies have answered so far, and how many of them with 500 and above."""
        return count_answers(_metrics(self.parts))

    def _move(self, forward: bool) -> MoveResult:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._mover.move(forward)
            except SwitchAborted as error:
                self.taken_back += 1
                last: Exception = error
            except (PreflightRefused, LeaseHeld, Unsettled) as error:
                last = error
            self._say(str(last).splitlines()[0])
            if time.monotonic() > deadline:
                stage, _ = current(self.parts)
                raise RehearsalStuck(f"{self.parts.domain} stays in stage {stage}: {last}", "fig plan check") from last
            time.sleep(PAUSE)


def count_answers(metrics: Iterable[str]) -> tuple[int, int]:
    """All answers and those of 500 and above, from the text of the proxies' figures."""
    found = [(status, int(float(count))) for text in metrics for status, count in _ANSWERS.findall(text)]
    return sum(count for _, count in found), sum(count for status, count in found if status == "5")


def only_the_switch(parts_stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages of a rehearsal: reads that are compared or shared belong to the live ones."""
    return tuple(stage for stage in parts_stages if stage not in (Stage.SHADOW, Stage.CANARY, Stage.RETIRED))


def _metrics(parts: Parts) -> Iterable[str]:
    for proxy in parts.proxies:
        try:
            yield proxy.metrics()
        except ProxyUnreachable as error:
            raise RehearsalStuck(
                f"the rehearsal's proxy {proxy.name} does not answer: {error}", "fig rehearse, again"
            ) from error
