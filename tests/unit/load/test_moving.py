"""How a test's own controller goes on after a refusal, and what it says if it never came to its checkpoint."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from migration_plan.errors import PreflightRefused, SwitchAborted
from tests.load import moving
from tests.support.faults import Controller

NOBODY = 2**30
"""No process has this number."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_switch_that_took_itself_back_late_leaves_patience_for_what_it_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, outcomes = Clock(), iter([SwitchAborted("no lock"), PreflightRefused("catalog", []), "done"])
    monkeypatch.setattr(moving, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))

    def move(_forward: bool) -> object:
        clock.now += 31.0 if clock.now == 0.0 else 0.5
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    mover: Any = SimpleNamespace(move=move)
    assert moving.move_when_allowed(mover, forward=True, patience=30.0, again=lambda: True) == "done"


def test_a_controller_that_never_strikes_anybody_is_named_with_its_words() -> None:
    controller = Controller.start(os.environ, "nobody", forward=True, checkpoint="after-hold", victim=NOBODY)
    try:
        with pytest.raises(AssertionError, match=r"ended with [1-9]\d* before after-hold: ") as named:
            controller.wait_until_victim_struck()
    finally:
        controller.end()
    assert len(str(named.value).splitlines()) > 1, "and why"
